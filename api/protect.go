package api

import (
	"slices"

	"lodge/commands"
	"lodge/commands/process"
	"lodge/domain"
	"lodge/log"
)

// platformTopic reports whether a topic holds the platform's own truth.
func platformTopic(topic log.Topic) bool {
	return slices.Contains(commands.Topics(), topic)
}

// unprotected refuses to change the records or the partitions of a topic that has a single writer. What says who asks for what, such as
// "produce to".
func unprotected(what string, topic log.Topic, field string) error {
	switch {
	case topic.Internal():
		return domain.Errorf(ReasonTopicProtected, field, "cannot %s %s: topics whose names begin with __ belong to the log itself", what, topic)
	case platformTopic(topic):
		return domain.Errorf(ReasonTopicProtected, field, "cannot %s %s: it is one of the platform's topics, which have a single writer, the command engine", what, topic)
	case topic == process.TimersTopic || topic == process.PoisonTopic:
		return domain.Errorf(ReasonTopicProtected, field, "cannot %s %s: it is one of the platform's topics, which belongs to the process managers", what, topic)
	}
	return nil
}

// unprotectedGroup refuses groups that say which side effects have happened: whoever joined one would take records away from a process manager.
func unprotectedGroup(group log.Group, field string) error {
	if process.IsGroup(group) {
		return domain.Errorf(ReasonGroupProtected, field, "the group %s is a process manager's", group)
	}
	return nil
}
