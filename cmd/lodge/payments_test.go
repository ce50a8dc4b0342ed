package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPaymentSecrets(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, hook := write("key", "\n sk_test_file \n"), write("hook", "whsec_file")
	t.Setenv("LODGE_STRIPE_KEY", "sk_test_environment")
	t.Setenv("LODGE_STRIPE_WEBHOOK_SECRET", "")
	o, err := (&paymentFlags{Payments: "stripe", StripeKeyFile: key, StripeWebhookSecret: hook}).options()
	if err != nil || o.Provider != "stripe" || o.Stripe.Key != "sk_test_file" || o.Stripe.WebhookSecret != "whsec_file" {
		t.Errorf("files: %+v, %v", o, err)
	}
	o, err = (&paymentFlags{Payments: "simulator"}).options()
	if err != nil || o.Stripe.Key != "sk_test_environment" || o.Stripe.WebhookSecret != "" {
		t.Errorf("the environment: %+v, %v", o, err)
	}
	t.Setenv("LODGE_STRIPE_KEY", "")
	for want, f := range map[string]*paymentFlags{
		"needs a key": {Payments: "stripe"},
		"no such":     {Payments: "stripe", StripeKeyFile: filepath.Join(dir, "none")},
		"has none":    {Payments: "stripe", StripeKeyFile: write("blank", " \n")},
	} {
		if _, err := f.options(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", f, err)
		}
	}
	if _, err := (&paymentFlags{Payments: "stripe", StripeKeyFile: write("long", strings.Repeat("s", secretBytesMax+1))}).options(); err == nil {
		t.Error("a secret without end is taken")
	}
}
