package broker

import (
	"context"

	"lodge/log"
)

// DeleteRecords implements log.TopicChanger. The new start is durable when it returns; it costs one small write and sync, which all share
// that call at once, and takes no turn from appends. With durability interval or none what lies below is synced first if need be. The space
// is freed by Run, in whole segments. Where before lies at or below the log's start nothing is done. Codes beside the
// interface's: Poisoned, Closed. After another error the records may be gone once the log is opened anew.
func (b *Broker) DeleteRecords(_ context.Context, tp log.TopicPartition, before log.Offset) error {
	p, err := b.partition(tp, "delete records of")
	if err != nil {
		return err
	}
	return p.deleteRecords(before)
}

// deleteRecords is DeleteRecords of this partition, whatever has its name by now.
func (p *partition) deleteRecords(before log.Offset) error {
	p.files.RLock()
	defer p.files.RUnlock()
	if p.gone != nil {
		return p.gone
	}
	if hw := log.Offset(p.highWatermark.Load()); before < 0 || before > hw {
		return log.NewError(log.OffsetOutOfRange, "delete records of "+p.tp.String(), "offset %d is not within 0..%d, the high watermark", before, hw)
	}
	err := p.log.DeleteRecords(before)
	p.noticePoison("deletion", err)
	return err
}
