package peers

import (
	"fmt"
	"strconv"

	"github.com/weirmq/weir/bench"
)

// Spread is how a number came out over the rounds, as cells of a table.
type Spread bench.Spread

// spread returns the Spread of values, which it sorts.
func spread(values []float64) Spread { return Spread(bench.SpreadOf(values)) }

// missing stands where a broker has no number.
const missing = "–"

// cell writes the median, and the range if there is one.
func (s Spread) cell() string {
	switch s.Count {
	case 0:
		return missing
	case 1:
		return format(s.Median)
	}
	return format(s.Median) + " (" + format(s.Min) + "–" + format(s.Max) + ")"
}

// percent is cell for shares of a hundred.
func percent(s Spread) string {
	switch s.Count {
	case 0:
		return missing
	case 1:
		return fmt.Sprintf("%.0f %%", s.Median)
	}
	return fmt.Sprintf("%.0f %% (%.0f–%.0f)", s.Median, s.Min, s.Max)
}

// over returns the ratio of two medians, and whether there is one.
func (s Spread) over(base Spread) (float64, bool) {
	if s.Count == 0 || base.Count == 0 || base.Median == 0 {
		return 0, false
	}
	return s.Median / base.Median, true
}

// format writes a number with as many decimals as its size leaves a meaning.
func format(v float64) string {
	decimals := 3
	switch {
	case v >= 99.95 || v <= -99.95:
		decimals = 0
	case v >= 9.995:
		decimals = 1
	case v >= 0.9995:
		decimals = 2
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}
