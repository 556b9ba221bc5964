package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// amount is a flag for an amount of memory in bytes.
type amount int64

// leastMemory is the smallest memory limit: the broker takes some 7 MiB when
// nobody is connected.
const leastMemory = 16 << 20

var units = []struct {
	name  string
	shift int
}{{"Gi", 30}, {"Mi", 20}, {"Ki", 10}}

// Set implements pflag.Value.
func (a *amount) Set(text string) error {
	digits, shift := text, 0
	for _, u := range units {
		if d, ok := strings.CutSuffix(text, u.name); ok {
			digits, shift = d, u.shift
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	switch {
	case err != nil || n > math.MaxInt64>>shift:
		return errors.New("write a number of bytes, or one with Ki, Mi or Gi, such as 64Mi")
	case n<<shift < leastMemory:
		return fmt.Errorf("write %v or more: the broker takes about half of that before anybody connects", amount(leastMemory))
	}
	*a = amount(n << shift)
	return nil
}

// String implements pflag.Value, in the largest unit that it is whole in. It is
// empty for 0, so that a flag that is not given has no default to show.
func (a amount) String() string {
	if a == 0 {
		return ""
	}
	for _, u := range units {
		if a>>u.shift<<u.shift == a {
			return strconv.FormatInt(int64(a>>u.shift), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(a), 10)
}

// Type implements pflag.Value.
func (a *amount) Type() string { return "amount" }
