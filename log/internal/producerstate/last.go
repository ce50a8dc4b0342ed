package producerstate

import "lodge/log"

// Last returns the sequence that the producer's next batch must carry, and where its newest batch went. For one that is not
// known, or not any more, that is the first sequence of epoch 0 and log.NoOffset.
func (t *Table) Last(id int64) (next log.ProducerSequence, base log.Offset) {
	p := t.producers[id]
	if p == nil {
		return log.ProducerSequence{ID: id}, log.NoOffset
	}
	return log.ProducerSequence{ID: id, Epoch: p.epoch, Sequence: p.last().next()}, p.last().base
}
