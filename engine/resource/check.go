package resource

import (
	"fmt"
	"strings"
)

// Report is what Check finds in a directory.
type Report struct {
	Problems Problems
	Ports    []*Port // which would open, wait or stay closed at a start
	Waiting  []Waiting
}

// Check reads and validates everything in a directory as a start would,
// policies and certificates included, and serves nothing.
func Check(dir string) Report {
	snapshot, problems := Load(dir, nil)
	return Report{problems, snapshot.Ports(), snapshot.Waiting()}
}

// String returns a line for each problem, and then one for each port.
func (r Report) String() string {
	var b strings.Builder
	b.WriteString(r.Problems.String())
	for _, p := range r.Ports {
		fmt.Fprintf(&b, "%s: %s", p.Name, p.State)
		if p.Reason != "" {
			b.WriteString(": " + p.Reason)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
