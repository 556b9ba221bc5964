package revocation

import (
	"bytes"
	"math/big"
	"slices"
)

// serials is a set of serial numbers that takes no more memory than they do:
// for each length, in bytes, the numbers of that length one behind the other in
// ascending order. A map of a million would take five times as much.
type serials struct {
	byLength [][]byte
	count    int
}

// newSerials returns the set of numbers. Signs do not count: there should be
// none, and a CA that puts one gets the more careful answer.
func newSerials(numbers []*big.Int) serials {
	numbers = slices.Clone(numbers)
	slices.SortFunc(numbers, (*big.Int).CmpAbs)
	s := serials{count: len(numbers)}
	for _, n := range numbers {
		length := byteLength(n)
		for len(s.byLength) <= length {
			s.byLength = append(s.byLength, nil)
		}
		at := len(s.byLength[length])
		s.byLength[length] = append(s.byLength[length], make([]byte, length)...)
		n.FillBytes(s.byLength[length][at:])
	}
	for length, table := range s.byLength {
		s.byLength[length] = slices.Clone(table) // without the room that append left
	}
	return s
}

// byteLength is the number of bytes of n, and 1 for 0.
func byteLength(n *big.Int) int { return max(1, (n.BitLen()+7)/8) }

// has reports whether n is in the set.
func (s *serials) has(n *big.Int) bool {
	length := byteLength(n)
	if length >= len(s.byLength) || len(s.byLength[length]) == 0 {
		return false
	}
	// RFC 5280 allows 20 bytes (4.1.2.2); who has more costs an allocation.
	var room [32]byte
	key := room[:]
	if length > len(room) {
		key = make([]byte, length)
	}
	key = n.FillBytes(key[:length])
	table := s.byLength[length]
	low, high := 0, len(table)/length
	for low < high {
		middle := int(uint(low+high) >> 1)
		switch c := bytes.Compare(table[middle*length:(middle+1)*length], key); {
		case c == 0:
			return true
		case c < 0:
			low = middle + 1
		default:
			high = middle
		}
	}
	return false
}
