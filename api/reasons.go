package api

import (
	"cmp"
	"slices"

	"lodge/domain"
)

// edgeReasons are those that the edge gives with a code of its own, past the tables.
var edgeReasons = []domain.Reason{
	ReasonScheduleNotFound, ReasonPositionNotReached, ReasonQueueFull, ReasonUnavailable, ReasonRateLimited, ReasonAuditUnavailable, ReasonInternal, ReasonPartitionLost, ReasonDeadlineExceeded, ReasonCanceled,
	ReasonRequestInProgress, ReasonRequestTooLarge, ReasonRouteNotFound, ReasonMethodNotAllowed, ReasonUnsupportedMedia,
}

// Reasons returns every reason that an error of the surface may have, in order of the alphabet.
func Reasons() []string {
	var all []string
	for reason := range domainCodes {
		all = append(all, string(reason))
	}
	for code, answer := range logCodes {
		all = append(all, cmp.Or(answer.reason, code.String()))
	}
	for _, reason := range edgeReasons {
		all = append(all, string(reason))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
