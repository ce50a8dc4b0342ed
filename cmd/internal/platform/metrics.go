package platform

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"lodge/projections"
)

// newMetrics returns the registry that the admin port tells of: the process, the Go runtime, and what the platform's parts count. The API adds its calls.
func (p *Platform) newMetrics() (*prometheus.Registry, error) {
	r := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), partsCollector{p},
	} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// partsCollector asks the parts what they have counted, when somebody looks. Nothing is counted for it beforehand.
type partsCollector struct{ *Platform }

// askMax is how long the log may take to describe itself for one look.
const askMax = 5 * time.Second

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("lodge_"+name, help, labels, nil)
}

var (
	cacheRequests  = gauge("cache_requests_total", "Questions about hotels, by whether the cache had the answer.", "result")
	cacheOutdated  = gauge("cache_outdated_total", "Misses that found an answer which an event had voided, or that was too old.")
	cacheForgotten = gauge("cache_forgotten_total", "Times that events voided the answers about a hotel.")
	cacheEntries   = gauge("cache_entries", "Answers in the cache.")
	cacheBytes     = gauge("cache_bytes", "Bytes of these answers, about.")

	openStreams = gauge("api_open_streams", "Streams that are open, by what they send.", "kind")

	engineWaiting  = gauge("engine_waiting_commands", "Commands that wait to be decided.", "partition")
	engineInFlight = gauge("engine_in_flight_commands", "Decided commands that wait for their commit.", "partition")

	projectionLag       = gauge("projection_lag_events", "Events in the log that are not in the projection's tables.", "projection")
	projectionBytes     = gauge("projection_bytes", "Bytes of the projection's database files, the archive's not.", "projection")
	archiveRows         = gauge("projection_archive_rows", "Rows in the projection's archive, by year.", "projection", "year")
	archiveBytes        = gauge("projection_archive_bytes", "Bytes of the files of the projection's archive, by year.", "projection", "year")
	projectionFollowing = gauge("projection_following", "1 while the projection applies events as they come.", "projection")

	logRecords   = gauge("log_records_total", "Records that were ever committed, by topic.", "topic")
	logBytes     = gauge("log_bytes", "Bytes of the records that are kept, by topic.", "topic")
	traceSpans   = gauge("trace_spans_total", "Spans of sampled traces that have ended, by what became of them: exported, failed (the collector did not take them), dropped (the queue was full).", "result")
	traceWaiting = gauge("trace_waiting_spans", "Spans that wait to be exported.")

	logSegments = gauge("log_segments", "Files that they are in, by topic.", "topic")
)

// Describe implements prometheus.Collector.
func (partsCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		cacheRequests, cacheOutdated, cacheForgotten, cacheEntries, cacheBytes, openStreams, engineWaiting, engineInFlight,
		projectionLag, projectionBytes, archiveRows, archiveBytes, projectionFollowing, logRecords, logBytes, logSegments, traceSpans, traceWaiting,
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c partsCollector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), askMax)
	defer cancel()
	if c.API != nil {
		c.collectAPI(to)
	}
	if c.Engine != nil {
		for _, l := range c.Engine.Load() {
			partition := strconv.Itoa(int(l.Partition))
			to <- prometheus.MustNewConstMetric(engineWaiting, prometheus.GaugeValue, float64(l.Waiting), partition)
			to <- prometheus.MustNewConstMetric(engineInFlight, prometheus.GaugeValue, float64(l.InFlight), partition)
		}
	}
	if c.Store != nil {
		c.collectProjections(ctx, to)
	}
	if c.tracing != nil {
		s := c.tracing.Stats()
		to <- prometheus.MustNewConstMetric(traceSpans, prometheus.CounterValue, float64(s.Exported), "exported")
		to <- prometheus.MustNewConstMetric(traceSpans, prometheus.CounterValue, float64(s.Failed), "failed")
		to <- prometheus.MustNewConstMetric(traceSpans, prometheus.CounterValue, float64(s.Dropped), "dropped")
		to <- prometheus.MustNewConstMetric(traceWaiting, prometheus.GaugeValue, float64(s.Waiting))
	}
	c.collectLog(ctx, to)
}

func (c partsCollector) collectAPI(to chan<- prometheus.Metric) {
	s := c.API.CacheStats()
	to <- prometheus.MustNewConstMetric(cacheRequests, prometheus.CounterValue, float64(s.Hits), "hit")
	to <- prometheus.MustNewConstMetric(cacheRequests, prometheus.CounterValue, float64(s.Misses), "miss")
	to <- prometheus.MustNewConstMetric(cacheOutdated, prometheus.CounterValue, float64(s.Outdated))
	to <- prometheus.MustNewConstMetric(cacheForgotten, prometheus.CounterValue, float64(s.Forgotten))
	to <- prometheus.MustNewConstMetric(cacheEntries, prometheus.GaugeValue, float64(s.Entries))
	to <- prometheus.MustNewConstMetric(cacheBytes, prometheus.GaugeValue, float64(s.Bytes))
	all, watching := c.API.OpenStreams()
	to <- prometheus.MustNewConstMetric(openStreams, prometheus.GaugeValue, float64(watching), "availability")
	to <- prometheus.MustNewConstMetric(openStreams, prometheus.GaugeValue, float64(max(0, all-watching)), "other")
}

func (c partsCollector) collectProjections(ctx context.Context, to chan<- prometheus.Metric) {
	for _, s := range c.Store.Status(ctx) {
		to <- prometheus.MustNewConstMetric(projectionLag, prometheus.GaugeValue, float64(s.Lag), s.Name)
		to <- prometheus.MustNewConstMetric(projectionBytes, prometheus.GaugeValue, float64(s.Bytes), s.Name)
		for _, y := range s.Archive {
			year := strconv.Itoa(y.Year)
			to <- prometheus.MustNewConstMetric(archiveRows, prometheus.GaugeValue, float64(y.Rows), s.Name, year)
			to <- prometheus.MustNewConstMetric(archiveBytes, prometheus.GaugeValue, float64(y.Bytes), s.Name, year)
		}
		following := 0.0
		if s.State == projections.Following {
			following = 1
		}
		to <- prometheus.MustNewConstMetric(projectionFollowing, prometheus.GaugeValue, following, s.Name)
	}
}

func (c partsCollector) collectLog(ctx context.Context, to chan<- prometheus.Metric) {
	topics, err := c.Broker.ListTopics(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(logRecords, err)
		return
	}
	for i := range topics {
		var records, bytes, segments float64
		for _, p := range topics[i].Partitions {
			records, bytes, segments = records+float64(p.HighWatermark), bytes+float64(p.Bytes), segments+float64(p.Segments)
		}
		name := string(topics[i].Name)
		to <- prometheus.MustNewConstMetric(logRecords, prometheus.CounterValue, records, name)
		to <- prometheus.MustNewConstMetric(logBytes, prometheus.GaugeValue, bytes, name)
		to <- prometheus.MustNewConstMetric(logSegments, prometheus.GaugeValue, segments, name)
	}
}
