package peers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// GoBench is what go test -bench printed, of any number of runs.
type GoBench struct {
	// Cases are in the order they were first seen.
	Cases []*Case
}

// Case is a benchmark of several implementations at the same work.
type Case struct {
	Benchmark string // such as Match
	Work      string // the rest of the name, but for impl=: filters=1k/wild=10%
	// Impls are in the order they were first seen.
	Impls []*Impl
}

// Impl is one implementation's runs of a Case.
type Impl struct {
	Name        string
	Nanoseconds []float64 // of CPU time per operation
	Allocs      []float64 // per operation
}

// ParseGoBench adds what go test -bench printed to b. Lines that are no results
// are passed over; a benchmark without impl= in its name, and a result without
// cpu-ns/op, are errors.
func (b *GoBench) ParseGoBench(r io.Reader) error {
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		fields := strings.Fields(scanner.Text())
		// A line with the name alone precedes what a benchmark logs.
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		if err := b.add(fields); err != nil {
			return fmt.Errorf("%w in %q", err, scanner.Text())
		}
	}
	return scanner.Err()
}

// add adds one result: a name, the iterations, and pairs of value and unit.
func (b *GoBench) add(fields []string) error {
	name := strings.TrimPrefix(fields[0], "Benchmark")
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		if _, err := strconv.Atoi(name[i+1:]); err == nil {
			name = name[:i] // the number of processors
		}
	}
	benchmark, rest, _ := strings.Cut(name, "/")
	impl := ""
	var work []string
	for _, part := range strings.Split(rest, "/") {
		if value, ok := strings.CutPrefix(part, "impl="); ok {
			impl = value
		} else {
			work = append(work, part)
		}
	}
	if impl == "" {
		return errors.New("no impl=NAME")
	}
	into := b.at(benchmark, strings.Join(work, "/"), impl)
	timed := false
	for i := 2; i+1 < len(fields); i += 2 {
		value, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return fmt.Errorf("%q is no number", fields[i])
		}
		switch fields[i+1] {
		case "cpu-ns/op":
			into.Nanoseconds = append(into.Nanoseconds, value)
			timed = true
		case "allocs/op":
			into.Allocs = append(into.Allocs, value)
		}
	}
	if !timed {
		return errors.New("no cpu-ns/op")
	}
	return nil
}

// at returns the Impl with these names, which it makes if need be.
func (b *GoBench) at(benchmark, work, impl string) *Impl {
	var found *Case
	for _, c := range b.Cases {
		if c.Benchmark == benchmark && c.Work == work {
			found = c
		}
	}
	if found == nil {
		found = &Case{Benchmark: benchmark, Work: work}
		b.Cases = append(b.Cases, found)
	}
	if i := found.impl(impl); i != nil {
		return i
	}
	found.Impls = append(found.Impls, &Impl{Name: impl})
	return found.Impls[len(found.Impls)-1]
}

// impl returns the Impl with this name, or nil.
func (c *Case) impl(name string) *Impl {
	for _, i := range c.Impls {
		if i.Name == name {
			return i
		}
	}
	return nil
}
