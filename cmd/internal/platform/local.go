package platform

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"lodge/api"
	"lodge/commands/audit"
)

// auditPath is where the socket, and only the socket, offers an audit of the log.
const auditPath = "/local/audit"

// auditMessage is one line of the audit's answer: progress, then the report or an error.
type auditMessage struct {
	Progress *audit.Progress `json:"progress,omitempty"`
	Report   *audit.Report   `json:"report,omitempty"`
	Error    string          `json:"error,omitempty"`
}

// localServer is the API's server with what only tools of this machine may ask for.
func (p *Platform) localServer() *http.Server {
	s := api.NewServer(p.API)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+auditPath, p.serveAudit)
	mux.Handle("/", s.Handler)
	s.Handler = mux
	return s
}

// serveAudit reads the whole log again and answers with what it finds.
func (p *Platform) serveAudit(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc, flush := json.NewEncoder(w), http.NewResponseController(w)
	send := func(m auditMessage) {
		_ = enc.Encode(m) // whoever asked may have gone; then r's context ends
		_ = flush.Flush()
	}
	report, err := audit.Run(r.Context(), p.Broker, audit.Options{Partitions: p.Partitions, Progress: func(pr audit.Progress) {
		send(auditMessage{Progress: &pr})
	}})
	if err != nil {
		send(auditMessage{Error: err.Error()})
		return
	}
	send(auditMessage{Report: report})
}

// Audit asks the server that Dial's client leads to for an audit of its log. progress may be nil.
func Audit(ctx context.Context, client *http.Client, progress func(audit.Progress)) (*audit.Report, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, SocketURL+auditPath, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask for an audit: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask for an audit: %s", res.Status)
	}
	dec := json.NewDecoder(bufio.NewReader(res.Body))
	for {
		var m auditMessage
		if err := dec.Decode(&m); err != nil {
			return nil, fmt.Errorf("read the audit's answer: %w", err)
		}
		switch {
		case m.Error != "":
			return nil, errors.New(m.Error)
		case m.Report != nil:
			return m.Report, nil
		case m.Progress != nil && progress != nil:
			progress(*m.Progress)
		}
	}
}
