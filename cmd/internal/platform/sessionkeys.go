package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"lodge/api"
	"lodge/api/access"
	"lodge/api/openid"
)

// sessionKeysFile has the keys that sessions are signed with, for its user only. Without it everybody signs in again, and nothing else is lost.
const sessionKeysFile = "session.keys"

// sessionKeysLook is how often a running platform looks whether it is time for a new key.
const sessionKeysLook = time.Hour

// openAccounts reads the accounts, and the keys that their sessions are signed with.
func (p *Platform) openAccounts(ctx context.Context) error {
	made, err := p.currentKeys()
	if err != nil {
		return err
	}
	if p.sessionKeys, err = access.NewKeys(made); err != nil {
		return err
	}
	p.accounts, err = access.OpenAccounts(ctx, p.Broker, access.AccountsOptions{Keys: p.sessionKeys, Clock: p.opts.Clock, Logger: p.opts.Logger})
	return err
}

// openID returns the OpenID provider, or nil when there is none. It is not asked anything yet.
func (p *Platform) openID() (*openid.Provider, error) {
	opts := p.opts.OpenID
	if opts.Issuer == "" {
		return nil, nil
	}
	opts.Keys, opts.Clock = p.sessionKeys, p.opts.Clock
	if p.opts.PublicURL != "" {
		opts.RedirectURL = p.opts.PublicURL + api.OIDCCallbackPath
	}
	provider, err := openid.New(opts)
	if err != nil {
		return nil, fmt.Errorf("set up the OpenID provider: %w", err)
	}
	return provider, nil
}

// currentKeys returns the keys of now. A new one is on disk before anything is signed with it. The folder is locked, so nobody does the same.
func (p *Platform) currentKeys() ([]access.Key, error) {
	path := filepath.Join(p.dir, sessionKeysFile)
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the keys of sessions: %w", err)
	}
	var keys []access.Key
	if err == nil {
		err := json.Unmarshal(data, &keys)
		if err == nil {
			_, err = access.NewKeys(keys)
		}
		if err != nil {
			return nil, fmt.Errorf("read the keys of sessions: %s is damaged: %w; remove it to make others", path, err)
		}
	}
	keys, changed := access.NextKeys(keys, p.opts.Clock())
	if !changed {
		return keys, nil
	}
	if data, err = json.Marshal(keys); err == nil {
		err = writeKey(path, data)
	}
	if err != nil {
		return nil, fmt.Errorf("write the keys of sessions: %w", err)
	}
	return keys, nil
}

// runSessionKeys makes a new key when it is time, until ctx ends. When that does not work the old one goes on.
func (p *Platform) runSessionKeys(ctx context.Context) error {
	tick := time.NewTicker(sessionKeysLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		keys, err := p.currentKeys()
		if err == nil {
			err = p.sessionKeys.Use(keys)
		}
		if err != nil {
			p.opts.Logger.Warn("no new key for sessions", "error", err)
		}
	}
}
