// Package tracing sends the traces of a platform to an OpenTelemetry collector: the SDK, an OTLP exporter, and between them a bounded queue that nobody ever waits
// for. A collector that is slow or away costs spans, which are counted, and never a call.
//
// Open reads the standard variables (OTEL_EXPORTER_OTLP_*, OTEL_TRACES_SAMPLER and its ARG, OTEL_BSP_*, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
// OTEL_SDK_DISABLED); what the parts of the platform tell is theirs.
package tracing
