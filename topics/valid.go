package topics

// maxBytes bounds a Topic Name or Topic Filter in bytes [MQTT-4.7.3-3]. A packet
// cannot carry a longer one; an embedding program and a manifest can.
const maxBytes = 65535

// ValidName reports whether name is a Topic Name: 1 to 65,535 bytes
// [MQTT-4.7.3-1] [MQTT-4.7.3-3], no U+0000 [MQTT-4.7.3-2], no wildcard character
// [MQTT-4.7.0-1]. That it is UTF-8 is for the decoder to have checked.
func ValidName[T string | []byte](name T) bool {
	if len(name) == 0 || len(name) > maxBytes {
		return false
	}
	for i := range len(name) {
		switch name[i] {
		case 0, '+', '#':
			return false
		}
	}
	return true
}

// ValidFilter reports whether filter is a Topic Filter: 1 to 65,535 bytes
// [MQTT-4.7.3-1] [MQTT-4.7.3-3], no U+0000 [MQTT-4.7.3-2], '#' only as the whole
// last level [MQTT-4.7.1-1], '+' only as a whole level [MQTT-4.7.1-2]. That it
// is UTF-8 is for the decoder to have checked. A Shared Subscription's Topic
// Filter has more rules, which [ParseShared] checks.
func ValidFilter[T string | []byte](filter T) bool {
	if len(filter) == 0 || len(filter) > maxBytes {
		return false
	}
	last := len(filter) - 1
	for i := range len(filter) {
		switch filter[i] {
		case 0:
			return false
		case '#':
			if i != last || i > 0 && filter[i-1] != '/' {
				return false
			}
		case '+':
			if i > 0 && filter[i-1] != '/' || i < last && filter[i+1] != '/' {
				return false
			}
		}
	}
	return true
}
