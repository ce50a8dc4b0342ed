// Package broker is the log in a folder: topics and their partitions, appended to with group commit
// and read by offset or time. It is the shell around the pure and the single-threaded parts
// (record, commitlog, producerstate): it owns locks, turns and background work.
//
//	b, err := broker.Open(dir, broker.Options{})     // takes the folder, recovers what is there
//	go b.Run(ctx)                                    // background work: see Run
//	err = b.CreateTopic(ctx, "bookings", log.TopicConfig{Partitions: 8})
//	offset, err := b.Append(ctx, tp, &log.Batch{Records: records})
//	found, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: tp, Offset: offset, MaxWait: time.Second})
//	err = b.Close()
//
// Broker implements log.Writer, log.Reader, log.Admin, log.TopicChanger, log.Coordinator, log.GroupAdmin and log.Queues. Open starts no goroutine; whoever waits for an append
// writes it, and Run is needed only for what nobody waits for.
//
// # Folder
//
//	LOCK                     locked by the process that has the folder; holds its number
//	broker.json              leader epoch and producer ids: what must never go back
//	topics/<topic>/topic.json    settings, checked; see topics.go for how a topic comes and goes
//	topics/<topic>/<partition>/  segments, indexes, checkpoint: package commitlog
//	topics/<topic>/<partition>.retired/  what is left of a retired partition: see layout_retire.go
//
// Consumer groups and their offsets lie in the topic __consumer_offsets (groups.go), queue groups in __queues (queues.go).
//
// # Guarantees
//
// An acknowledged append (Ticket.Wait returned nil) of a topic with durability sync is on disk: it is there, in
// order and once, after any crash. With interval or none it is in the page cache: it survives the process, not
// the machine. What was enqueued first is written first, and a batch that cannot be written takes all
// later ones with it, so that what is found after a crash is always a prefix of what was enqueued. Readers see nothing above the high
// watermark. After a failed write or sync the partition refuses appends with code Poisoned (also shown in
// PartitionInfo.Err) until the broker is opened anew; what is committed stays readable.
//
// LeaderEpoch is the number of times that the folder was opened, from 0, so a Batch.Fence taken from DescribeTopic
// holds until the process that it was taken in is gone.
//
// # What it does not do
//
// Batching over time (a producer's linger) and partitioning are the client's, and so is what a member of a consumer group does
// between joining and leaving; there is no replication.
package broker
