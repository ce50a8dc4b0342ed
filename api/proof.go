package api

import (
	"context"
	"errors"
	"strings"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands/audit"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/log"
)

// proofService serves what the log proves.
type proofService struct{ *API }

// proofs lets one audit run at a time: what is remembered belongs to one, and reading the whole log twice at once helps nobody.
type proofs chan struct{}

// begin waits for its turn.
func (p proofs) begin(ctx context.Context) (done func(), err error) {
	select {
	case p <- struct{}{}:
		return func() { <-p }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// VerifyNoOversell audits the log.
func (s *proofService) VerifyNoOversell(ctx context.Context, req *connect.Request[lodgev1.VerifyNoOversellRequest], stream *connect.ServerStream[lodgev1.VerifyNoOversellResponse]) error {
	partitions, err := s.domainPartitions(ctx)
	if err != nil {
		return err
	}
	opts := audit.Options{Partitions: partitions, Dir: s.opts.ProofDir, Full: req.Msg.GetFull()}
	return s.prove(ctx, stream, opts, func(ctx context.Context, opts audit.Options) (*lodgev1.ProofReport, error) {
		report, err := audit.Run(ctx, s.deps.Log, opts)
		return toProofReport(report), err
	})
}

// CheckCertificate audits what a certificate covers.
func (s *proofService) CheckCertificate(ctx context.Context, req *connect.Request[lodgev1.CheckCertificateRequest], stream *connect.ServerStream[lodgev1.VerifyNoOversellResponse]) error {
	certificate, err := audit.ReadCertificate(strings.NewReader(req.Msg.GetCertificate()))
	if err != nil {
		return domain.Errorf(domain.InvalidArgument, "certificate", "%v", err)
	}
	partitions, err := s.domainPartitions(ctx)
	if err != nil {
		return err
	}
	if n := len(certificate.Partitions); n != partitions {
		return domain.Errorf(domain.InvalidArgument, "certificate", "it covers %d partitions and there are %d", n, partitions)
	}
	return s.prove(ctx, stream, audit.Options{}, func(ctx context.Context, opts audit.Options) (*lodgev1.ProofReport, error) {
		differences, report, err := audit.Check(ctx, s.deps.Log, certificate, opts)
		m := toProofReport(report)
		if err == nil {
			m.Differences = differences
		}
		return m, err
	})
}

// domainPartitions returns how many partitions the topics of hotels have.
func (s *proofService) domainPartitions(ctx context.Context) (int, error) {
	info, err := s.deps.Log.DescribeTopic(ctx, log.Topic(event.BookingsTopic))
	return info.Config.Partitions, err
}

// prove runs an audit beside the sending, because reporting progress must not hold it up: a slow caller misses what is out of date, never the report.
func (s *proofService) prove(ctx context.Context, stream *connect.ServerStream[lodgev1.VerifyNoOversellResponse], opts audit.Options,
	run func(context.Context, audit.Options) (*lodgev1.ProofReport, error),
) error {
	ctx, done, err := s.stream(ctx)
	if err != nil {
		return err
	}
	defer done()
	finished, err := s.proofs.begin(ctx)
	if err != nil {
		return err
	}
	defer finished()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	latest := make(chan audit.Progress, 1)
	opts.Progress = func(p audit.Progress) {
		select {
		case <-latest:
		default:
		}
		latest <- p
	}
	ended := make(chan error, 1)
	last := new(lodgev1.VerifyNoOversellResponse)
	go func() {
		var err error
		last.Report, err = run(ctx, opts)
		ended <- err
	}()
	var progress audit.Progress
	for {
		select {
		case progress = <-latest:
			if err := stream.Send(&lodgev1.VerifyNoOversellResponse{RecordsRead: progress.Records, RecordsTotal: progress.Total}); err != nil {
				cancel()
				return errors.Join(err, <-ended)
			}
		case err := <-ended:
			if err != nil {
				return errors.Join(context.Cause(ctx), err)
			}
			select {
			case progress = <-latest:
			default:
			}
			last.RecordsRead, last.RecordsTotal = progress.Records, progress.Total
			return stream.Send(last)
		}
	}
}

func toProofReport(r *audit.Report) *lodgev1.ProofReport {
	if r == nil {
		return nil
	}
	m := &lodgev1.ProofReport{
		Passed: r.OK(), ViolationCount: r.ViolationCount, EventCount: r.EventCount(), EventReadCount: r.Read, RequestCount: r.Requests,
		Counts: toProofCounts(&r.Totals), RestartCause: r.Restarted,
	}
	for _, v := range r.Violations {
		violation := &lodgev1.ProofViolation{Kind: string(v.Kind), Position: v.Position.String(), Text: v.Text}
		if v.HotelID != "" {
			violation.Hotel = hotelName(v.HotelID)
		}
		m.Violations = append(m.Violations, violation)
	}
	for i := range r.Hotels {
		h := &r.Hotels[i]
		m.Hotels = append(m.Hotels, &lodgev1.ProofHotel{
			Hotel: hotelName(h.HotelID), DisplayName: h.DisplayName, RoomTypeCount: int32(h.RoomTypes), Counts: toProofCounts(&h.Totals),
			Fullest: toProofNight(h.HotelID, &h.Fullest), Busiest: toProofNight(h.HotelID, &h.Busiest),
		})
	}
	for _, currency := range sortedKeys(r.Money) {
		sum := r.Money[currency]
		m.Money = append(m.Money, &lodgev1.ProofMoney{
			Captured: toMoney(currency, sum.Captured), Refunded: toMoney(currency, sum.Refunded), Refunding: toMoney(currency, sum.Refunding),
			Owed: toMoney(currency, sum.Owed), Kept: toMoney(currency, sum.Kept),
		})
	}
	for _, w := range r.Certificate.Worst {
		m.WorstNights = append(m.WorstNights, &lodgev1.ProofNight{
			RoomType: roomTypeName(w.HotelID, w.RoomTypeID), Night: dateText(w.Night), SoldCount: w.Sold, SellableCount: w.Sellable, Position: w.Position,
		})
	}
	var document strings.Builder
	_ = r.Certificate.Write(&document) // numbers and text, to memory
	m.Certificate = document.String()
	return m
}

func toProofCounts(t *audit.Totals) *lodgev1.ProofCounts {
	return &lodgev1.ProofCounts{
		Placed: t.Placed, Rejected: t.Rejected, Paid: t.Paid, Canceled: t.Canceled, NoShows: t.NoShows, Declined: t.Declined, Modified: t.Modified,
		CheckedIn: t.CheckedIn, CheckedOut: t.CheckedOut, Walked: t.Walked, Refunded: t.Refunded, RoomNights: t.RoomNights, KeptRoomNights: t.KeptRoomNights,
	}
}

// toProofNight returns nil for a hotel of which nothing was ever sold.
func toProofNight(hotelID string, p *audit.Peak) *lodgev1.ProofNight {
	if p.Sold == 0 {
		return nil
	}
	m := &lodgev1.ProofNight{
		Night: toDate(p.Night), SoldCount: p.Sold, SellableCount: p.Sellable, PhysicalCount: p.Physical, Position: p.Position.String(),
	}
	if p.RoomTypeID != "" {
		m.RoomType = roomTypeName(hotelID, p.RoomTypeID)
	}
	return m
}
