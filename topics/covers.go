package topics

// Covers reports whether every Topic Name that the Topic Filter inner can match
// is matched by outer too. The answer is exact: when it is false, some Topic
// Name matches inner and not outer. Both must be valid, and without their
// "$share/{ShareName}/". It allocates nothing.
//
// A subscription to inner is therefore safe to allow where outer is allowed. The
// reverse test, [Match] with inner as if it were a name, is the classic hole: it
// lets "a/+" cover "a/#".
func Covers(outer, inner string) bool {
	if hidden(inner) && wildcardFirst(outer) {
		return false // [MQTT-4.7.2-1]
	}
	// "a/#" matches its parent level, which "a/+/#" does not. But the parent level
	// of these two is no Topic Name, since that has at least one character
	// [MQTT-4.7.3-1]: they match only what has a level more.
	switch inner {
	case "#":
		inner = "+/#"
	case "/#":
		inner = "/+/#"
	}
	for {
		allowed, outerRest, outerMore := NextLevel(outer)
		if allowed == "#" {
			return true
		}
		level, innerRest, innerMore := NextLevel(inner)
		switch {
		case level == "#":
			return false // outer would need its own "#" here, or before
		case allowed == "+":
		case allowed != level:
			return false // another literal, or a "+", which matches others besides
		}
		if !innerMore {
			return !outerMore || outerRest == "#"
		}
		if !outerMore {
			return false
		}
		outer, inner = outerRest, innerRest
	}
}
