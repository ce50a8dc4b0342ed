package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"lodge/commands/payment"
	"lodge/commands/process"
)

// PaymentsOptions says where money comes from.
type PaymentsOptions struct {
	Provider string                // of new payments: payment.SimulatorName (default) or payment.StripeName
	Stripe   payment.StripeOptions // with a key: Stripe is there, be it for what was begun with it
}

// simulatorFile is the simulator's ledger within the data folder.
const simulatorFile = "payment-simulator.sqlite"

// openPayments makes the payment saga. The simulator is there as long as it is in use or has a ledger, so that what was begun with it can be ended.
func (p *Platform) openPayments(context.Context) error {
	providers := map[string]payment.Provider{}
	p.webhooks = map[string]http.Handler{}
	name := p.opts.Payments.Provider
	if p.opts.Payments.Stripe.Key != "" || name == payment.StripeName {
		s, err := payment.NewStripe(p.opts.Payments.Stripe)
		if err != nil {
			return err
		}
		providers[payment.StripeName] = s
	}
	used, err := p.simulatorUsed()
	if err != nil {
		return err
	}
	if used {
		if p.simulator, err = payment.OpenSimulator(filepath.Join(p.dir, simulatorFile), payment.SimulatorOptions{Clock: p.opts.Clock, Logger: p.opts.Logger}); err != nil {
			return err
		}
		providers[payment.SimulatorName] = p.simulator
	}
	first := providers[name]
	if first == nil {
		return fmt.Errorf("there is no payment provider %q: %s and %s are known", name, payment.SimulatorName, payment.StripeName)
	}
	delete(providers, name)
	others := make([]payment.Provider, 0, len(providers))
	for _, other := range providers {
		others = append(others, other)
	}
	if p.Payments, err = process.NewPayments(p.Engine, p.scheduler(), process.PaymentsOptions{Clock: p.opts.Clock, Logger: p.opts.Logger, Tracer: p.tracing.Tracer()}, first, others...); err != nil {
		return err
	}
	p.openWebhooks(append(others, first))
	return p.Processes.Register(p.Payments.Handlers()...)
}

// simulatorUsed reports whether the simulator takes payments, or has taken some.
func (p *Platform) simulatorUsed() (bool, error) {
	if p.opts.Payments.Provider == payment.SimulatorName {
		return true, nil
	}
	_, err := os.Stat(filepath.Join(p.dir, simulatorFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// openWebhooks makes what providers give their notifications to. The simulator's do without the network.
func (p *Platform) openWebhooks(providers []payment.Provider) {
	for _, provider := range providers {
		verified, ok := provider.(interface{ Verifier() payment.Verifier })
		if !ok {
			continue
		}
		h := payment.NewWebhook(verified.Verifier(), p.Payments.Take, p.opts.Logger)
		p.webhooks[provider.Name()] = h
		if provider.Name() == payment.SimulatorName {
			p.simulator.Notify(h.Receiver())
		}
	}
}
