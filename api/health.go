package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/projections"
)

// health asks every part. The platform is healthy when every partition takes appends and reads and every
// read model is in service; being behind is no illness.
func (a *API) health(ctx context.Context) *lodgev1.Health {
	h := &lodgev1.Health{Healthy: true}
	add := func(name string, healthy bool, message string) {
		h.Parts = append(h.Parts, &lodgev1.Health_Part{Name: name, Healthy: healthy, Message: message})
		h.Healthy = h.Healthy && healthy
	}
	topics, err := a.deps.Log.ListTopics(ctx)
	if err != nil {
		add("log", false, err.Error())
	}
	for _, t := range topics {
		var broken []string
		for _, p := range t.Partitions {
			if p.Err != "" {
				broken = append(broken, fmt.Sprintf("partition %d: %s", p.Partition, p.Err))
			}
		}
		add(topicsPrefix+string(t.Name), len(broken) == 0, strings.Join(broken, "; "))
	}
	for _, p := range a.deps.Parts {
		healthy, message := p.Check()
		add(p.Name, healthy, message)
	}
	for _, p := range a.deps.Store.Status(ctx) {
		message := p.Err
		if message == "" {
			message = fmt.Sprintf("%s, %d events behind", p.State, p.Lag)
		}
		add(projectionsPrefix+p.Name, p.Err == "" && p.Version > 0 && p.State != projections.Stopped, message)
	}
	return h
}

// serveHealthz says that the process is alive.
func (a *API) serveHealthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n") // nobody is left to tell
}

// serveReadyz says whether calls should be sent here, and why not.
func (a *API) serveReadyz(w http.ResponseWriter, r *http.Request) {
	h := a.health(r.Context())
	ready := h.GetHealthy() && !a.isEnding()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	for _, p := range h.GetParts() {
		mark := "ok  "
		if !p.GetHealthy() {
			mark = "BAD "
		}
		_, _ = io.WriteString(w, mark+p.GetName()+" "+p.GetMessage()+"\n") // nobody is left to tell
	}
}

func (a *API) isEnding() bool {
	select {
	case <-a.ending:
		return true
	default:
		return false
	}
}

// checker answers gRPC's health protocol: the server as a whole and each service are one.
type checker struct{ *API }

// Check implements grpchealth.Checker.
func (c checker) Check(ctx context.Context, req *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	if req.Service != "" && !slices.Contains(services, req.Service) {
		return nil, connect.NewError(connect.CodeNotFound, fmt.Errorf("there is no service %q", req.Service))
	}
	if c.isEnding() || !c.health(ctx).GetHealthy() {
		return &grpchealth.CheckResponse{Status: grpchealth.StatusNotServing}, nil
	}
	return &grpchealth.CheckResponse{Status: grpchealth.StatusServing}, nil
}
