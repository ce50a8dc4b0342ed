package tracing

import (
	"fmt"
	"strconv"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// samplerOf makes the sampler that OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG name; by default every trace whose caller has not decided otherwise. A value that
// is none is refused, where the SDK would sample everything.
//
// The parent based ones differ from the SDK's in what a caller's flag is worth: who has not sampled a trace is followed, but who has sampled it gets as much of it as
// the sampler would have chosen by itself. Else anybody could have everything told. Those that choose by the trace's id choose the same as others with the same ratio.
func samplerOf(name, arg string) (sdk.Sampler, error) {
	ratio := 1.0
	if arg != "" {
		var err error
		if ratio, err = strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			return nil, fmt.Errorf("traces: OTEL_TRACES_SAMPLER_ARG: %q is not a number from 0 to 1", arg)
		}
	}
	byParent := func(own sdk.Sampler) sdk.Sampler { return sdk.ParentBased(own, sdk.WithRemoteParentSampled(own)) }
	switch name {
	case "always_on":
		return sdk.AlwaysSample(), nil
	case "always_off":
		return sdk.NeverSample(), nil
	case "traceidratio":
		return sdk.TraceIDRatioBased(ratio), nil
	case "", "parentbased_always_on":
		return byParent(sdk.AlwaysSample()), nil
	case "parentbased_always_off":
		return byParent(sdk.NeverSample()), nil
	case "parentbased_traceidratio":
		return byParent(sdk.TraceIDRatioBased(ratio)), nil
	}
	return nil, fmt.Errorf("traces: OTEL_TRACES_SAMPLER: %q is none of always_on, always_off, traceidratio and these with parentbased_ before", name)
}
