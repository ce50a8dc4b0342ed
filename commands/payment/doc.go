// Package payment is how Lodge reaches payment providers: the port (Provider), a built-in simulator with a durable ledger of its own, Stripe, and the
// webhooks by which providers answer late.
//
//	simulator, err := payment.OpenSimulator("data/payments.sqlite", payment.SimulatorOptions{})
//	go simulator.Run(ctx)
//	outcome, err := simulator.Charge(ctx, payment.Charge{Key: paymentID, Amount: amount, Method: "tok_approve"})
//
// # Keys
//
// A charge's key is the payment's id, a refund's key the refund's id. Asking again with a key never moves money again: it gives what became of the first
// request. Whoever asks sends the same request with the same key, and may do so after a crash without knowing whether the first attempt arrived. Providers
// forget keys after a while (Stripe after 24 hours at the earliest), so an old request is looked up before it is sent again; LookupCharge and
// LookupRefund find it however old.
//
// # The simulator
//
// It is a provider for development, demonstrations and tests: money in its ledger is nobody's. The payment method chooses what happens:
//
//	tok_approve                            the money is taken at once
//	tok_decline, tok_decline_CODE          it is refused, with that code: tok_decline_insufficient_funds
//	tok_timeout                            it is taken, and the answer is lost: the caller gets an error, and learns the truth by asking again
//	tok_unreachable                        two requests are lost before they arrive; the third gets through
//	tok_late, tok_late_90s                 it is taken later, after SimulatorOptions.LateAfter or the duration named (at most 24h); a notification says so
//	tok_twice                              it is taken at once, the answer is given, and two notifications say so again
//	tok_once                               it is taken for the first charge of a reservation; further ones are declined as insufficient_funds
//
// These join: tok_timeout_late_20m_decline_expired_card loses the answer and declines after 20 minutes. What follows _refund_ is for the refunds of the
// charge, in the same words: tok_approve_refund_decline_account_closed, tok_late_refund_unreachable. Any other method is declined as invalid_payment_method.
//
// # What it does not do
//
// It knows nothing of reservations and gives no commands: package process does. It keeps no card numbers, only providers' tokens.
package payment
