package topics

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"sync/atomic"
)

// A set is the subscribers of one Topic Filter, or the members of one group,
// with their options. A nil *set is an empty one; a set is never empty.
//
// Up to maxList entries are one immutable list, copied by each change. Beyond,
// they are spread over buckets that are immutable lists in turn, and a change
// copies one bucket and puts it in place. A subscriber stays in the bucket its
// hash points to, so a reader who walks the buckets while they change meets each
// subscriber at most once.
//
// Either way a change yields a new *set to publish. So two loads that give the
// same pointer had no completed change between them, which is how a group knows
// that its snapshot is still right.
type set[S comparable] struct {
	list   []Entry[S] // nil when spread
	spread *spread[S]
}

type spread[S comparable] struct {
	count   int // the writer's
	buckets []atomic.Pointer[[]Entry[S]]
}

const (
	// maxList is the most entries a set keeps in one list; a set that shrinks
	// goes back to a list at half of it.
	maxList = 32
	// maxBucket is the average number of entries in a bucket at which a spread
	// set doubles its buckets. It halves them at an eighth of it. At 16 a change
	// copies some 200 bytes and the overhead is about 3 bytes an entry.
	maxBucket = 16
)

// put adds an entry or replaces the options of one that is there. It returns the
// set to publish, which is s itself when nothing changed.
func (s *set[S]) put(e Entry[S]) (next *set[S], existed bool) {
	if s == nil {
		return &set[S]{list: []Entry[S]{e}}, false
	}
	if s.spread == nil {
		i := indexOf(s.list, e.Subscriber)
		if i >= 0 && s.list[i] == e {
			return s, true
		}
		list := with(s.list, i, e)
		if len(list) > maxList {
			return &set[S]{spread: newSpread(slices.Values(list), len(list))}, false
		}
		return &set[S]{list: list}, i >= 0
	}

	p := s.spread
	bucket := p.bucket(e.Subscriber)
	list := entriesOf(bucket)
	i := indexOf(list, e.Subscriber)
	if i >= 0 && list[i] == e {
		return s, true
	}
	list = with(list, i, e)
	bucket.Store(&list)
	if i < 0 {
		p.count++
		if p.count > maxBucket*len(p.buckets) {
			p = newSpread(p.all, p.count)
		}
	}
	return &set[S]{spread: p}, i >= 0
}

// remove takes out the subscriber's entry. It returns the set to publish: nil
// when nothing is left, and s itself when the subscriber was not there.
func (s *set[S]) remove(subscriber S) (next *set[S], existed bool) {
	if s == nil {
		return nil, false
	}
	if s.spread == nil {
		i := indexOf(s.list, subscriber)
		switch {
		case i < 0:
			return s, false
		case len(s.list) == 1:
			return nil, true
		}
		return &set[S]{list: without(s.list, i)}, true
	}

	p := s.spread
	bucket := p.bucket(subscriber)
	list := entriesOf(bucket)
	i := indexOf(list, subscriber)
	if i < 0 {
		return s, false
	}
	if list = without(list, i); len(list) == 0 {
		bucket.Store(nil)
	} else {
		bucket.Store(&list)
	}
	p.count--
	switch {
	case p.count <= maxList/2:
		return &set[S]{list: slices.AppendSeq(make([]Entry[S], 0, p.count), p.all)}, true
	case p.count < maxBucket/8*len(p.buckets):
		p = newSpread(p.all, p.count)
	}
	return &set[S]{spread: p}, true
}

// appendTo appends every entry to dst.
func (s *set[S]) appendTo(dst []Entry[S]) []Entry[S] {
	if s == nil {
		return dst
	}
	if s.spread == nil {
		return append(dst, s.list...)
	}
	for i := range s.spread.buckets {
		dst = append(dst, entriesOf(&s.spread.buckets[i])...)
	}
	return dst
}

// newSpread spreads count entries over buckets that are a quarter to half full.
func newSpread[S comparable](entries func(yield func(Entry[S]) bool), count int) *spread[S] {
	buckets := 1 << bits.Len(uint(count/(maxBucket/2)))
	p := &spread[S]{count: count, buckets: make([]atomic.Pointer[[]Entry[S]], buckets)}
	lists := make([][]Entry[S], buckets)
	for e := range entries {
		i := p.index(e.Subscriber)
		lists[i] = append(lists[i], e)
	}
	for i := range lists {
		if lists[i] != nil {
			list := slices.Clip(lists[i])
			p.buckets[i].Store(&list)
		}
	}
	return p
}

func (p *spread[S]) index(subscriber S) int {
	return int(maphash.Comparable(seed, subscriber) & uint64(len(p.buckets)-1))
}

func (p *spread[S]) bucket(subscriber S) *atomic.Pointer[[]Entry[S]] {
	return &p.buckets[p.index(subscriber)]
}

// all visits every entry.
func (p *spread[S]) all(yield func(Entry[S]) bool) {
	for i := range p.buckets {
		for _, e := range entriesOf(&p.buckets[i]) {
			if !yield(e) {
				return
			}
		}
	}
}

func entriesOf[S comparable](bucket *atomic.Pointer[[]Entry[S]]) []Entry[S] {
	if list := bucket.Load(); list != nil {
		return *list
	}
	return nil
}

func indexOf[S comparable](list []Entry[S], subscriber S) int {
	for i := range list {
		if list[i].Subscriber == subscriber {
			return i
		}
	}
	return -1
}

// with returns a copy of list with e in place i, or at its end when i is
// negative.
func with[S comparable](list []Entry[S], i int, e Entry[S]) []Entry[S] {
	if i < 0 {
		next := make([]Entry[S], len(list)+1)
		copy(next, list)
		next[len(list)] = e
		return next
	}
	next := slices.Clone(list)
	next[i] = e
	return next
}

// without returns a copy of list that lacks place i.
func without[S comparable](list []Entry[S], i int) []Entry[S] {
	next := make([]Entry[S], 0, len(list)-1)
	next = append(next, list[:i]...)
	return append(next, list[i+1:]...)
}
