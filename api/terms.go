package api

import (
	"cmp"

	"google.golang.org/genproto/googleapis/type/money"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

func toCancellation(t *eventpb.CancellationTerms, currency string) *lodgev1.CancellationTerms {
	if t == nil {
		return nil
	}
	return &lodgev1.CancellationTerms{
		FreeDays: t.GetFreeDays(), FreeUntilHour: t.GetFreeUntilHour(), NeverFree: t.GetNeverFree(),
		Fee: toFee(t.GetFee(), currency), NoShowFee: toFee(t.GetNoShowFee(), currency),
	}
}

func toFee(f *eventpb.CancellationFee, currency string) *lodgev1.CancellationFee {
	switch f.GetKind() {
	case eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_NIGHTS:
		return &lodgev1.CancellationFee{Fee: &lodgev1.CancellationFee_Nights{Nights: int32(f.GetAmount())}}
	case eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT:
		return &lodgev1.CancellationFee{Fee: &lodgev1.CancellationFee_PercentThousandths{PercentThousandths: int32(f.GetAmount())}}
	case eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_AMOUNT:
		return &lodgev1.CancellationFee{Fee: &lodgev1.CancellationFee_Amount{Amount: toMoney(currency, f.GetAmount())}}
	}
	return nil
}

// fromCancellation reads terms, and the currency of their amounts, if any.
func fromCancellation(t *lodgev1.CancellationTerms) (terms *eventpb.CancellationTerms, currency string, err error) {
	if t == nil {
		return nil, "", nil
	}
	terms = &eventpb.CancellationTerms{FreeDays: t.GetFreeDays(), FreeUntilHour: t.GetFreeUntilHour(), NeverFree: t.GetNeverFree()}
	if terms.Fee, currency, err = fromFee(t.GetFee(), "rate_plan.cancellation.fee.amount"); err != nil {
		return nil, "", err
	}
	const field = "rate_plan.cancellation.no_show_fee.amount"
	fee, other, err := fromFee(t.GetNoShowFee(), field)
	if err == nil && currency != "" && other != "" && other != currency {
		err = domain.Errorf(domain.CurrencyMismatch, field, "one fee is in %s, the other in %s", currency, other)
	}
	terms.NoShowFee = fee
	return terms, cmp.Or(currency, other), err
}

func fromFee(f *lodgev1.CancellationFee, field string) (fee *eventpb.CancellationFee, currency string, err error) {
	switch kind := f.GetFee().(type) {
	case *lodgev1.CancellationFee_Nights:
		return &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_NIGHTS, Amount: int64(kind.Nights)}, "", nil
	case *lodgev1.CancellationFee_PercentThousandths:
		return &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT, Amount: int64(kind.PercentThousandths)}, "", nil
	case *lodgev1.CancellationFee_Amount:
		amount, err := fromMoney(kind.Amount, field)
		return &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_AMOUNT, Amount: amount.MinorUnits}, amount.Currency, err
	}
	return nil, "", nil
}

func toTaxes(taxes []*eventpb.Tax, currency string) (out []*lodgev1.Tax) {
	for _, t := range taxes {
		tax := &lodgev1.Tax{TaxId: t.GetTaxId(), DisplayName: t.GetDisplayName(), Included: t.GetIncluded()}
		switch t.GetBasis() {
		case eventpb.TaxBasis_TAX_BASIS_PERCENT:
			tax.Amount = &lodgev1.Tax_PercentThousandths{PercentThousandths: int32(t.GetAmount())}
		case eventpb.TaxBasis_TAX_BASIS_ROOM_NIGHT:
			tax.Amount = &lodgev1.Tax_RoomNight{RoomNight: toMoney(currency, t.GetAmount())}
		case eventpb.TaxBasis_TAX_BASIS_ROOM_STAY:
			tax.Amount = &lodgev1.Tax_RoomStay{RoomStay: toMoney(currency, t.GetAmount())}
		case eventpb.TaxBasis_TAX_BASIS_GUEST_NIGHT:
			tax.Amount = &lodgev1.Tax_GuestNight{GuestNight: toMoney(currency, t.GetAmount())}
		}
		out = append(out, tax)
	}
	return out
}

func fromTaxes(h *lodgev1.Hotel) (taxes []hotel.Tax, err error) {
	for _, t := range h.GetTaxes() {
		tax := hotel.Tax{ID: t.GetTaxId(), DisplayName: t.GetDisplayName(), Included: t.GetIncluded()}
		var amount *money.Money
		switch kind := t.GetAmount().(type) {
		case *lodgev1.Tax_PercentThousandths:
			tax.Basis, tax.Amount = eventpb.TaxBasis_TAX_BASIS_PERCENT, int64(kind.PercentThousandths)
		case *lodgev1.Tax_RoomNight:
			tax.Basis, amount = eventpb.TaxBasis_TAX_BASIS_ROOM_NIGHT, kind.RoomNight
		case *lodgev1.Tax_RoomStay:
			tax.Basis, amount = eventpb.TaxBasis_TAX_BASIS_ROOM_STAY, kind.RoomStay
		case *lodgev1.Tax_GuestNight:
			tax.Basis, amount = eventpb.TaxBasis_TAX_BASIS_GUEST_NIGHT, kind.GuestNight
		}
		if amount != nil {
			m, err := fromMoney(amount, "hotel.taxes.amount")
			if err != nil {
				return nil, err
			}
			tax.Amount, tax.Currency = m.MinorUnits, m.Currency
		}
		taxes = append(taxes, tax)
	}
	return taxes, nil
}

// addTerms adds to a reservation what it was made under, if anything.
func addTerms(r *lodgev1.Reservation, m *eventpb.Terms, currency string) {
	if m == nil {
		return
	}
	if m.GetRatePlanId() != "" {
		hotelID, _, _ := cutChild(r.GetName(), reservationsInfix)
		r.RatePlan = ratePlanName(hotelID, m.GetRatePlanId())
	}
	if m.GetExtraGuestMinorUnits() != 0 {
		r.ExtraGuestAmount = toMoney(currency, m.GetExtraGuestMinorUnits())
	}
	r.Charges = toCharges(m.GetCharges(), currency)
	r.Cancellation = toCancellation(m.GetCancellation(), currency)
}

func toCharges(charges []*eventpb.Charge, currency string) (out []*lodgev1.Charge) {
	for _, c := range charges {
		out = append(out, &lodgev1.Charge{
			TaxId: c.GetTaxId(), DisplayName: c.GetDisplayName(), Amount: toMoney(currency, c.GetMinorUnits()), Included: c.GetIncluded(),
		})
	}
	return out
}
