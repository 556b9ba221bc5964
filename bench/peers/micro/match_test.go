package micro

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unsafe"

	mochi "github.com/mochi-mqtt/server/v2"
	mochipackets "github.com/mochi-mqtt/server/v2/packets"
	nats "github.com/nats-io/nats-server/v2/server"

	"github.com/weirmq/weir/topics"
)

// metricsPerDevice is how many Topic Names each device of the workload has.
const metricsPerDevice = 10

// topicName returns the i-th Topic Name of the workload: ten metrics of each
// device, and devices spread over a hundred sites. A device is of one site
// alone, so that the number of matches does not grow with the number of
// filters, and the time is that of searching.
func topicName(i int) string {
	device := i / metricsPerDevice
	return fmt.Sprintf("site-%d/device-%d/metric-%d", device%100, device, i%metricsPerDevice)
}

// topicFilters returns n Topic Filters, of which a share of wild percent has
// wildcards: for the site, for the metric, and '#' for all metrics, in equal
// parts. The i-th matches at least the i-th Topic Name.
func topicFilters(n, wild int) []string {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	filters := make([]string, n)
	for i := range filters {
		filter := topicName(i)
		if random.IntN(100) < wild {
			levels := strings.Split(filter, "/")
			switch random.IntN(3) {
			case 0:
				levels[0] = "+"
			case 1:
				levels[2] = "+"
			default:
				levels[2] = "#"
			}
			filter = strings.Join(levels, "/")
		}
		filters[i] = filter
	}
	return filters
}

// An index is one project's way from a Topic Name to the subscriptions that
// match it.
type index interface {
	// subscribe adds the subscriber with this number.
	subscribe(filter string, subscriber int)
	// prepare returns a Topic Name the way match takes it.
	prepare(name string) string
	// match finds the subscriptions that match.
	match(name string)
	// subscribers returns the numbers of those that match, in any order, and
	// any number of times.
	subscribers(name string) []int
}

var indexes = []struct {
	impl string
	make func() index
}{
	{"weir", func() index { return &weirIndex{trie: topics.NewTrie[uint32]()} }},
	{"mochi", func() index { return mochiIndex{mochi.NewTopicsIndex()} }},
	{"nats", func() index { return newNATSIndex() }},
}

type weirIndex struct {
	trie   *topics.Trie[uint32]
	result topics.Result[uint32]
}

func (x *weirIndex) subscribe(filter string, subscriber int) {
	x.trie.Subscribe(filter, uint32(subscriber), topics.Options{})
}

func (x *weirIndex) prepare(name string) string { return name }

func (x *weirIndex) match(name string) { x.trie.Match(name, &x.result) }

func (x *weirIndex) subscribers(name string) (list []int) {
	x.match(name)
	for _, entry := range x.result.Entries {
		list = append(list, int(entry.Subscriber))
	}
	return list
}

type mochiIndex struct{ *mochi.TopicsIndex }

func (x mochiIndex) subscribe(filter string, subscriber int) {
	x.Subscribe(strconv.Itoa(subscriber), mochipackets.Subscription{Filter: filter})
}

func (x mochiIndex) prepare(name string) string { return name }

func (x mochiIndex) match(name string) { x.Subscribers(name) }

func (x mochiIndex) subscribers(name string) (list []int) {
	for client := range x.Subscribers(name).Subscriptions {
		subscriber, err := strconv.Atoi(client)
		if err != nil {
			panic(err)
		}
		list = append(list, subscriber)
	}
	return list
}

// natsIndex is a Sublist with its cache, as the server has it. The type of a
// subscription is not exported; its fields are found by reflection, which the
// timed part does not need.
type natsIndex struct {
	*nats.Sublist
	add func(subject, sid string) error
}

func newNATSIndex() natsIndex {
	list := nats.NewSublistWithCache()
	return natsIndex{list, inserter(list.Insert)}
}

// inserter returns a function that inserts new values of a type that cannot be
// named here.
func inserter[T any](insert func(*T) error) func(subject, sid string) error {
	set := func(v *T, field, value string) {
		f := reflect.ValueOf(v).Elem().FieldByName(field)
		*(*[]byte)(unsafe.Pointer(f.UnsafeAddr())) = []byte(value)
	}
	return func(subject, sid string) error {
		subscription := new(T)
		set(subscription, "subject", subject)
		set(subscription, "sid", sid)
		return insert(subscription)
	}
}

// subjects are what NATS has in the place of topics, for those of the workload
// that have neither dots nor empty levels.
var subjects = strings.NewReplacer("/", ".", "+", "*", "#", ">")

// subscribe makes two subscriptions of one that ends in "/#", as nats-server
// does, because a subject's ">" does not match the level above it.
func (x natsIndex) subscribe(filter string, subscriber int) {
	sid := strconv.Itoa(subscriber)
	if parent, ok := strings.CutSuffix(filter, "/#"); ok {
		x.mustAdd(subjects.Replace(parent), sid)
	}
	x.mustAdd(subjects.Replace(filter), sid)
}

func (x natsIndex) mustAdd(subject, sid string) {
	if err := x.add(subject, sid); err != nil {
		panic(err)
	}
}

func (x natsIndex) prepare(name string) string { return subjects.Replace(name) }

func (x natsIndex) match(subject string) { x.Match(subject) }

func (x natsIndex) subscribers(subject string) (list []int) {
	found := reflect.ValueOf(x.Match(subject)).Elem().FieldByName("psubs")
	for i := range found.Len() {
		sid := found.Index(i).Elem().FieldByName("sid").Bytes()
		subscriber, err := strconv.Atoi(string(sid))
		if err != nil {
			panic(err)
		}
		list = append(list, subscriber)
	}
	return list
}

func TestIndexesFindTheSameSubscribers(t *testing.T) {
	for _, wild := range []int{0, 10, 50, 100} {
		t.Run(fmt.Sprintf("wild=%d%%", wild), func(t *testing.T) {
			filters := topicFilters(600, wild)
			built := make([]index, len(indexes))
			for i, x := range indexes {
				built[i] = x.make()
				for subscriber, filter := range filters {
					built[i].subscribe(filter, subscriber)
				}
			}
			// Beyond the names of the workload: the level above, one that
			// nobody subscribed to, and one that is longer than all filters.
			names := []string{"site-1/device-1", "site-1/device-1/metric-1/unit", "site-7/device-7/metric-x", "elsewhere"}
			for i := range filters {
				names = append(names, topicName(i))
			}
			for _, name := range names {
				var want []int
				for subscriber, filter := range filters {
					if topics.Match(filter, name) {
						want = append(want, subscriber)
					}
				}
				for i, x := range built {
					got := x.subscribers(x.prepare(name))
					slices.Sort(got)
					if got = slices.Compact(got); !slices.Equal(got, want) {
						t.Errorf("%s finds %v for %q, want %v", indexes[i].impl, got, name, want)
					}
				}
			}
		})
	}
}

// The names of a benchmark are many more than nats-server's cache has room
// for, except where there are no more filters than that.
func BenchmarkMatch(b *testing.B) {
	const names = 1 << 16
	for _, size := range []struct {
		name string
		n    int
	}{{"1k", 1_000}, {"100k", 100_000}, {"1M", 1_000_000}} {
		for _, wild := range []int{0, 10, 50} {
			// Once for all three, and not at all if none of them is to run.
			filters := sync.OnceValue(func() []string { return topicFilters(size.n, wild) })
			for _, x := range indexes {
				b.Run(fmt.Sprintf("impl=%s/filters=%s/wild=%d%%", x.impl, size.name, wild), func(b *testing.B) {
					built := x.make()
					for subscriber, filter := range filters() {
						built.subscribe(filter, subscriber)
					}
					random := rand.New(rand.NewPCG(2, 2))
					published := make([]string, names)
					for i := range published {
						published[i] = built.prepare(topicName(random.IntN(size.n)))
					}
					if len(built.subscribers(published[0])) == 0 {
						b.Fatalf("nothing matches %q", published[0])
					}
					next := 0
					repeat(b, func() {
						built.match(published[next])
						next = (next + 1) % names
					})
				})
			}
		}
	}
}
