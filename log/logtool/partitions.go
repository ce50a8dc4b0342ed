package logtool

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"

	"lodge/log"
	"lodge/log/vfs"
)

// Partition is a partition's folder.
type Partition struct {
	TP  log.TopicPartition
	Dir string
}

// Names in a broker's folder: topics/<topic>/<partition>/. A topic's file is renamed when the topic is deleted, and a partition's folder
// when the partition is retired; what is left of them the broker removes.
const (
	topicsFolder = "topics"
	topicFile    = "topic.json"
	deletedFile  = "topic.deleted"
)

// Partitions lists the partitions in a broker's folder, by topic and number, draining ones too. What is neither (what is left of a deleted
// topic or of a retired partition, a stray file) is left out.
func Partitions(fsys vfs.FS, brokerDir string) ([]Partition, error) {
	root := path.Join(brokerDir, topicsFolder)
	topics, err := fsys.List(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list partitions: no log in %s: %w", brokerDir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("list partitions: %w", err)
	}
	var parts []Partition
	for _, topic := range topics {
		if log.Topic(topic).Validate() != nil {
			continue
		}
		found, err := partitionsOf(fsys, log.Topic(topic), path.Join(root, topic))
		if err != nil {
			return nil, fmt.Errorf("list partitions: %w", err)
		}
		parts = append(parts, found...)
	}
	slices.SortFunc(parts, func(a, b Partition) int { return a.TP.Compare(b.TP) })
	return parts, nil
}

func partitionsOf(fsys vfs.FS, topic log.Topic, dir string) ([]Partition, error) {
	if info, err := fsys.Stat(dir); err != nil || !info.Dir {
		return nil, err
	}
	names, err := fsys.List(dir)
	if err != nil {
		return nil, err
	}
	if slices.Contains(names, deletedFile) && !slices.Contains(names, topicFile) {
		return nil, nil
	}
	var parts []Partition
	for _, name := range names {
		n, err := strconv.ParseInt(name, 10, 32)
		if err != nil || n < 0 || n >= log.PartitionNumbersMax || strconv.Itoa(int(n)) != name {
			continue
		}
		parts = append(parts, Partition{TP: log.TopicPartition{Topic: topic, Partition: log.Partition(n)}, Dir: path.Join(dir, name)})
	}
	return parts, nil
}
