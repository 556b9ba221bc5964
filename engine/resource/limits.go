package resource

import (
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/weirmq/weir/engine"
)

// setByClients are the fields of engine.Limits that advanced.clients and
// memoryProfile set; advanced.limits has all others.
var setByClients = map[string]bool{
	"MaximumPacketSize": true, "MaximumSessionExpiry": true, "MaximumMessageExpiry": true, "MaximumKeepAlive": true,
	"QueuedMessages": true, "QueueStrategy": true, "Inflight": true,
}

// advancedLimits reads limits of ours. They have the names of engine.Limits,
// which begin with a small letter here.
func (d *decoder) advancedLimits(to *engine.Limits) reader {
	return func(n *node, path string) {
		limits := reflect.ValueOf(to).Elem()
		var fields []field
		for i := range limits.NumField() {
			if name := limits.Type().Field(i).Name; !setByClients[name] {
				fields = append(fields, optional(strings.ToLower(name[:1])+name[1:], d.limit(limits.Field(i))))
			}
		}
		d.mapping(n, path, fields...)
	}
}

const (
	longestLimit = 24 * time.Hour
	largestLimit = 1 << 40 // more means "without bound", and nothing here is
)

// limit reads one limit: a time, or a number above 0.
func (d *decoder) limit(to reflect.Value) reader {
	if to.Type() == reflect.TypeFor[time.Duration]() {
		return func(n *node, path string) {
			var text string
			d.matching(&text, timeProblem)(n, path)
			if v, err := time.ParseDuration(text); err == nil {
				to.SetInt(int64(v))
			}
		}
	}
	return func(n *node, path string) {
		most := min(int64(math.MaxInt), largestLimit)
		if to.CanUint() {
			most = 1<<to.Type().Bits() - 1
		}
		var v int64
		d.integer(&v, 1, most)(n, path)
		if to.CanUint() {
			to.SetUint(uint64(v))
			return
		}
		to.SetInt(v)
	}
}

func timeProblem(s string) string {
	if v, err := time.ParseDuration(s); err != nil || v <= 0 || v > longestLimit {
		return "is not a time such as 10s or 1m30s, of a day at most"
	}
	return ""
}
