package peers

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// gcTime returns the CPU time of the garbage collections in what a program of Go
// has written with traceGC. The lines look like
//
//	gc 7 @2.1s 0%: 0.018+1.1+0.010 ms clock, 0.036+0.5/1.0/0.2+0.021 ms cpu, 4->5->3 MB, ...
//
// where the second group is what counts: stopping the world, then assisting,
// background and idle marking, and stopping again. The runtime takes what passes
// for CPU time, and the world to stop on all processors, so it is rather more
// than it was.
func gcTime(output []byte) (total time.Duration) {
	for line := range bytes.Lines(output) {
		if !bytes.HasPrefix(line, []byte("gc ")) {
			continue
		}
		_, rest, _ := bytes.Cut(line, []byte(" ms clock, "))
		group, _, _ := bytes.Cut(rest, []byte(" ms cpu"))
		for _, text := range strings.FieldsFunc(string(group), func(r rune) bool { return r == '+' || r == '/' }) {
			if ms, err := strconv.ParseFloat(text, 64); err == nil {
				total += time.Duration(ms * float64(time.Millisecond))
			}
		}
	}
	return total
}
