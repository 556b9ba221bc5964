package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// columnGap is how many blanks kubectl leaves between columns.
const columnGap = 3

// table is text in columns as kubectl prints it.
type table struct {
	rows   [][]string // the heading first
	widths []int
}

func newTable(heading ...string) *table {
	t := &table{widths: make([]int, len(heading))}
	t.add(heading...)
	return t
}

// add appends a row with one cell for each column.
func (t *table) add(cells ...string) {
	for i, cell := range cells {
		t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cell))
	}
	t.rows = append(t.rows, cells)
}

func (t *table) print(w io.Writer) error {
	var b strings.Builder
	for _, row := range t.rows {
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", t.widths[i]-utf8.RuneCountInString(cell)+columnGap))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// age prints a duration as kubectl's column AGE has it: two units while the
// first has few of them, then one.
func age(d time.Duration) string {
	const day, year = 24 * time.Hour, 365 * 24 * time.Hour
	two := func(large, small time.Duration, largeName, smallName string) string {
		if rest := d % large / small; rest > 0 {
			return fmt.Sprintf("%d%s%d%s", d/large, largeName, rest, smallName)
		}
		return fmt.Sprintf("%d%s", d/large, largeName)
	}
	switch {
	case d < 0:
		return "0s" // a clock that was set back
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < 10*time.Minute:
		return two(time.Minute, time.Second, "m", "s")
	case d < 3*time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 8*time.Hour:
		return two(time.Hour, time.Minute, "h", "m")
	case d < 2*day:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d < 8*day:
		return two(day, time.Hour, "d", "h")
	case d < 2*year:
		return fmt.Sprintf("%dd", d/day)
	case d < 8*year:
		return two(year, day, "y", "d")
	}
	return fmt.Sprintf("%dy", d/year)
}
