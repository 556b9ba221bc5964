package resource

import (
	"fmt"
	"math"

	"github.com/weirmq/weir/engine"
)

// profileBytes bounds MaximumPacketSize by memoryProfile.
var profileBytes = map[string]uint32{"Tiny": 4 << 20, "Low": 16 << 20, "Medium": 64 << 20, "High": 256 << 20}

// maxSubscriberQueue is the longest queue that a manifest may ask for: beyond
// it the number means "without bound", and nothing here is.
const maxSubscriberQueue = math.MaxInt32

// broker is a Broker.
type broker struct {
	object *Object
	limits engine.Limits
	shared engine.SharedStrategy
}

func decodeBroker(d *decoder, spec *node) *broker {
	b := &broker{object: d.object}
	profile, packetSize := "Medium", int64(256<<20)
	var ignored string
	d.mapping(spec, "spec",
		optional("advanced", func(n *node, path string) {
			d.mapping(n, path,
				optional("clients", func(n *node, path string) { d.clients(b, &packetSize, n, path) }),
				optional("limits", d.advancedLimits(&b.limits)),
				optional("encryptInternalTraffic", d.withoutEffect(d.operationalMode(&ignored))),
				optional("internalCerts", d.withoutEffect(func(n *node, path string) {
					d.mapping(n, path,
						optional("duration", d.duration),
						optional("renewBefore", d.duration),
						optional("privateKey", d.privateKey),
					)
				})),
			)
		}),
		optional("cardinality", d.withoutEffect(d.cardinality)),
		optional("diagnostics", d.withoutEffect(d.diagnostics)),
		optional("diskBackedMessageBuffer", d.withoutEffect(d.messageBuffer)),
		optional("generateResourceLimits", d.withoutEffect(func(n *node, path string) {
			d.mapping(n, path, optional("cpu", d.operationalMode(&ignored)))
		})),
		optional("highPriorityMessagesBackpressureHandling", d.withoutEffect(d.enum(&ignored, "Accept", "Reject"))),
		optional("memoryProfile", d.enum(&profile, "Tiny", "Low", "Medium", "High")),
		optional("persistence", d.withoutEffect(d.persistence)),
		optional("provisioningState", d.anything),
	)
	b.limits.MaximumPacketSize = min(uint32(packetSize), profileBytes[profile])
	return b
}

// clients reads what bounds the Clients.
func (d *decoder) clients(b *broker, packetSize *int64, n *node, path string) {
	var sessionExpiry, messageExpiry, queue, receiveMaximum, keepAlive int64
	var strategy string
	d.mapping(n, path,
		optional("maxSessionExpirySeconds", d.integer(&sessionExpiry, 1, math.MaxUint32)),
		optional("maxMessageExpirySeconds", d.integer(&messageExpiry, 1, math.MaxUint32)),
		optional("maxPacketSizeBytes", d.integer(packetSize, 1, 256<<20)),
		optional("subscriberQueueLimit", func(n *node, path string) {
			d.mapping(n, path,
				optional("length", d.integer(&queue, 1, math.MaxInt64)),
				optional("strategy", d.enum(&strategy, "None", "DropOldest")),
			)
			switch strategy {
			case "DropOldest":
				b.limits.QueueStrategy = engine.DropOldest
			case "None":
				d.warn(n.get("strategy"), join(path, "strategy"), strategy, "does not mean without bound here",
					"a message that does not fit is dropped, the older ones stay; without length the queue takes the engine's default")
			}
		}),
		optional("maxReceiveMaximum", d.integer(&receiveMaximum, 1, 65535)),
		optional("maxKeepAliveSeconds", d.integer(&keepAlive, 0, 65535)),
		optional("sharedSubscriptionStrategy", func(n *node, path string) {
			var name string
			d.enum(&name, engine.SharedStrategyNames()...)(n, path)
			if name != "" {
				b.shared, _ = engine.ParseSharedStrategy(name) // it is one of them
			}
		}),
	)
	if queue > maxSubscriberQueue {
		d.warn(n.get("subscriberQueueLimit"), join(path, "subscriberQueueLimit.length"), fmt.Sprint(queue), "is reduced",
			fmt.Sprintf("the longest queue is %d", maxSubscriberQueue))
		queue = maxSubscriberQueue
	}
	limits := &b.limits
	limits.MaximumSessionExpiry = uint32(sessionExpiry)
	limits.MaximumMessageExpiry = uint32(messageExpiry)
	limits.QueuedMessages = int(queue)
	limits.Inflight = uint16(receiveMaximum)
	limits.MaximumKeepAlive = uint16(keepAlive)
}

func (d *decoder) cardinality(n *node, path string) {
	var ignored int64
	d.mapping(n, path,
		optional("frontend", func(n *node, path string) {
			d.mapping(n, path,
				required("replicas", d.integer(&ignored, 1, 16)),
				optional("workers", d.integer(&ignored, 1, 16)),
			)
		}),
		optional("backendChain", func(n *node, path string) {
			d.mapping(n, path,
				required("partitions", d.integer(&ignored, 1, 16)),
				required("redundancyFactor", d.integer(&ignored, 1, 5)),
				optional("workers", d.integer(&ignored, 1, 16)),
			)
		}),
	)
}

func (d *decoder) diagnostics(n *node, path string) {
	var ignored int64
	var mode, level string
	d.mapping(n, path,
		optional("logs", func(n *node, path string) {
			d.mapping(n, path, optional("level", d.str(&level)))
		}),
		optional("metrics", func(n *node, path string) {
			d.mapping(n, path, optional("prometheusPort", d.integer(&ignored, 0, 65535)))
		}),
		optional("selfCheck", func(n *node, path string) {
			d.mapping(n, path,
				optional("mode", d.operationalMode(&mode)),
				optional("intervalSeconds", d.integer(&ignored, 30, 300)),
				optional("timeoutSeconds", d.integer(&ignored, 5, 120)),
			)
		}),
		optional("traces", func(n *node, path string) {
			d.mapping(n, path,
				optional("mode", d.operationalMode(&mode)),
				optional("cacheSizeMegabytes", d.integer(&ignored, 1, 128)),
				optional("spanChannelCapacity", d.integer(&ignored, 1000, 100000)),
				optional("selfTracing", func(n *node, path string) {
					d.mapping(n, path,
						optional("mode", d.operationalMode(&mode)),
						optional("intervalSeconds", d.integer(&ignored, 1, 300)),
					)
				}),
			)
		}),
	)
}

func (d *decoder) messageBuffer(n *node, path string) {
	var size string
	d.mapping(n, path,
		required("maxSize", d.matching(&size, sizeProblem)),
		optional("ephemeralVolumeClaimSpec", d.anyMapping),
		optional("persistentVolumeClaimSpec", d.anyMapping),
	)
}

func (d *decoder) persistence(n *node, path string) {
	var size, mode string
	var names []string
	dynamic := optional("dynamic", func(n *node, path string) {
		d.mapping(n, path, optional("mode", d.operationalMode(&mode)))
	})
	policy := func(settings string, fields ...field) reader {
		return func(n *node, path string) {
			d.mapping(n, path,
				required("mode", d.enum(&mode, "All", "None", "Custom")),
				optional(settings, func(n *node, path string) {
					d.mapping(n, path, append(fields, dynamic)...)
				}),
			)
		}
	}
	d.mapping(n, path,
		required("maxSize", d.matching(&size, sizeProblem)),
		optional("persistentVolumeClaimSpec", d.anyMapping),
		optional("encryption", func(n *node, path string) {
			d.mapping(n, path, optional("mode", d.operationalMode(&mode)))
		}),
		optional("dynamicSettings", d.anyMapping),
		optional("retain", policy("retainSettings", optional("topics", d.strs(&names)))),
		optional("stateStore", policy("stateStoreSettings", optional("stateStoreResources", d.list(func(n *node, path string) {
			d.mapping(n, path,
				required("keyType", d.enum(&mode, "Pattern", "String", "Binary")),
				required("keys", d.strs(&names)),
			)
		})))),
		optional("subscriberQueue", policy("subscriberQueueSettings",
			optional("subscriberClientIds", d.strs(&names)), optional("topics", d.strs(&names)))),
	)
}

// sizeProblem checks a size such as 500M.
func sizeProblem(s string) string {
	digits, unit := s[:len(s)-1], s[len(s)-1]
	ok := digits != ""
	for _, c := range []byte(digits) {
		ok = ok && '0' <= c && c <= '9'
	}
	switch unit {
	case 'K', 'M', 'G', 'T', 'P', 'E':
	default:
		ok = false
	}
	if !ok {
		return "is not a size: a whole number and one of K, M, G, T, P, E"
	}
	return ""
}
