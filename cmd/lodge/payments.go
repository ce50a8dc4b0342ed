package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"lodge/cmd/internal/platform"
	"lodge/commands/payment"
)

// paymentFlags say where money comes from. Secrets come from files or the environment, never from the command line, where every process of the machine sees them.
type paymentFlags struct {
	Payments            string `help:"Where payments go: simulator (built in, moves no money) or stripe." enum:"simulator,stripe" default:"simulator" env:"LODGE_PAYMENTS"`
	StripeKeyFile       string `help:"File with Stripe's secret key; or the key itself in LODGE_STRIPE_KEY." placeholder:"FILE" type:"path" env:"LODGE_STRIPE_KEY_FILE"`
	StripeWebhookSecret string `help:"File with the secret of Stripe's webhook, which is to post to /webhooks/stripe; or the secret itself in LODGE_STRIPE_WEBHOOK_SECRET." name:"stripe-webhook-secret-file" placeholder:"FILE" type:"path" env:"LODGE_STRIPE_WEBHOOK_SECRET_FILE"`
	StripeURL           string `help:"Another address of Stripe's API, for tests." placeholder:"URL" hidden:"" env:"LODGE_STRIPE_URL"`
}

// options reads the secrets.
func (f *paymentFlags) options() (o platform.PaymentsOptions, err error) {
	o = platform.PaymentsOptions{Provider: f.Payments, Stripe: payment.StripeOptions{URL: f.StripeURL}}
	if o.Stripe.Key, err = secret(f.StripeKeyFile, "LODGE_STRIPE_KEY"); err != nil {
		return o, err
	}
	if o.Stripe.WebhookSecret, err = secret(f.StripeWebhookSecret, "LODGE_STRIPE_WEBHOOK_SECRET"); err != nil {
		return o, err
	}
	if f.Payments == payment.StripeName && o.Stripe.Key == "" {
		return o, fmt.Errorf("--payments=stripe needs a key: --stripe-key-file or LODGE_STRIPE_KEY")
	}
	return o, nil
}

// secretBytesMax is more than any secret has.
const secretBytesMax = 4 << 10

// secret returns what a file holds, without white space around it, or else an environment variable; empty when neither is set.
func secret(file, variable string) (string, error) {
	if file == "" {
		return os.Getenv(variable), nil
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	value, err := io.ReadAll(io.LimitReader(f, secretBytesMax+1))
	value = bytes.TrimSpace(value)
	switch {
	case err != nil:
		return "", fmt.Errorf("read a secret: %w", err)
	case len(value) == 0 || len(value) > secretBytesMax:
		return "", fmt.Errorf("read a secret: %s has none", file)
	}
	return string(value), nil
}
