//go:build linux && !race

package bench

import (
	"testing"

	"github.com/weirmq/weir/codec"
)

func TestLoopDoesNotAllocate(t *testing.T) {
	for _, row := range []struct {
		name   string
		config Config
	}{
		{name: "QoS 0", config: Config{Window: 32}},
		{name: "QoS 1", config: Config{QoS: codec.QoS1, Window: 32}},
		{name: "QoS 2", config: Config{QoS: codec.QoS2, Window: 32}},
		{name: "QoS 1, MQTT 3.1.1", config: Config{QoS: codec.QoS1, Version: codec.V311, Window: 1}},
		{name: "open loop", config: Config{Rate: 1e6}},
	} {
		t.Run(row.name, func(t *testing.T) {
			run, m := newMirrored(t, row.config)
			round := func() { m.round(run) }
			for range 100 {
				round() // until every buffer is as large as it becomes
			}
			before := run.arrived
			if n := testing.AllocsPerRun(200, round); n > 0 {
				t.Errorf("%v allocations a turn", n)
			}
			if run.arrived < before+100 {
				t.Errorf("%d messages arrived meanwhile: the test looks at nothing", run.arrived-before)
			}
		})
	}
}
