package hotel

import (
	"lodge/domain"
	"lodge/domain/eventpb"
)

// Tax is a tax or fee that a hotel charges for every stay, as eventpb.Tax says.
type Tax struct {
	ID          string
	DisplayName string
	Basis       eventpb.TaxBasis
	Amount      int64  // thousandths of a per cent, or minor units
	Currency    string // of minor units: the hotel's, or empty for that
	Included    bool
}

// taxMessages checks taxes and returns what an event says of them.
func taxMessages(taxes []Tax, currency string) ([]*eventpb.Tax, error) {
	if len(taxes) > TaxesMax {
		return nil, domain.Errorf(domain.LimitReached, "taxes", "%d taxes are more than %d", len(taxes), TaxesMax)
	}
	var messages []*eventpb.Tax
	seen := make(map[string]bool, len(taxes))
	for i := range taxes {
		t := &taxes[i]
		if err := t.check(currency); err != nil {
			return nil, err
		}
		if seen[t.ID] {
			return nil, domain.Errorf(domain.InvalidArgument, "taxes.tax_id", "there are two taxes %s", t.ID)
		}
		seen[t.ID] = true
		messages = append(messages, &eventpb.Tax{
			TaxId: t.ID, DisplayName: t.DisplayName, Basis: t.Basis, Amount: t.Amount, Included: t.Included,
		})
	}
	return messages, nil
}

func (t *Tax) check(currency string) error {
	if err := domain.ValidateID(t.ID, "taxes.tax_id"); err != nil {
		return err
	}
	if t.DisplayName == "" {
		return domain.Errorf(domain.InvalidArgument, "taxes.display_name", "it is empty")
	}
	if err := checkText("taxes.display_name", t.DisplayName, NameMax); err != nil {
		return err
	}
	limit := int64(domain.AmountMax)
	switch t.Basis {
	case eventpb.TaxBasis_TAX_BASIS_PERCENT:
		limit = percentWhole
	case eventpb.TaxBasis_TAX_BASIS_ROOM_NIGHT, eventpb.TaxBasis_TAX_BASIS_ROOM_STAY, eventpb.TaxBasis_TAX_BASIS_GUEST_NIGHT:
	default:
		return domain.Errorf(domain.InvalidArgument, "taxes.amount", "%s is no basis of a tax", t.Basis)
	}
	if t.Amount < 0 || t.Amount > limit {
		return domain.Errorf(domain.InvalidArgument, "taxes.amount", "%d is not from 0 to %d", t.Amount, limit)
	}
	if t.Currency != "" && t.Currency != currency {
		return domain.Errorf(domain.CurrencyMismatch, "taxes.amount", "%.16q is not the hotel's currency %s", t.Currency, currency)
	}
	return nil
}

func (c *canonical) taxes(taxes []Tax) {
	c.number(int64(len(taxes)))
	for i := range taxes {
		t := &taxes[i]
		c.text(t.ID, t.DisplayName, t.Currency)
		c.number(int64(t.Basis), t.Amount)
		c.flag(t.Included)
	}
}
