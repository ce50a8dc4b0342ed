// Package natsbridge publishes records later: at a time, after a delay, on a cron.
package natsbridge
