package broker

import "lodge/log"

// LastAppend tells what a partition remembers of an idempotent producer: the sequence that its next batch must carry, and the
// offset of the first record of its newest batch. Of a producer that is not known there, or was forgotten behind ProducersMax
// others, these are the first sequence and log.NoOffset. Right after Open the batch is committed; later it may be on its way. It is
// how a producer that was killed finds out whether its last batch was appended. Errors: UnknownTopic, Poisoned, Corrupt, Closed.
func (b *Broker) LastAppend(tp log.TopicPartition, producerID int64) (next log.ProducerSequence, base log.Offset, err error) {
	p, err := b.partition(tp, "last append to")
	if err != nil {
		return log.ProducerSequence{}, log.NoOffset, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused != nil {
		return log.ProducerSequence{}, log.NoOffset, p.refused
	}
	next, base = p.producers.Last(producerID)
	return next, base, nil
}
