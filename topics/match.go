package topics

// Match reports whether the Topic Filter matches the Topic Name. Both must be
// valid, and filter without its "$share/{ShareName}/", which takes no part in
// matching. It allocates nothing.
func Match(filter, name string) bool {
	if hidden(name) && wildcardFirst(filter) {
		return false // [MQTT-4.7.2-1]
	}
	for {
		want, filterRest, filterMore := NextLevel(filter)
		if want == "#" {
			return true
		}
		level, nameRest, nameMore := NextLevel(name)
		if want != "+" && want != level {
			return false
		}
		if !nameMore {
			// "a/#" matches its parent level, "a", too.
			return !filterMore || filterRest == "#"
		}
		if !filterMore {
			return false
		}
		filter, name = filterRest, nameRest
	}
}

// hidden reports whether a Topic Name, or the first level of one, is out of
// reach of filters that start with a wildcard [MQTT-4.7.2-1].
func hidden(name string) bool {
	return len(name) > 0 && name[0] == '$'
}

// wildcardFirst reports whether the first level of a valid Topic Filter is a
// wildcard. The first character decides, since a wildcard is a whole level.
func wildcardFirst(filter string) bool {
	return len(filter) > 0 && (filter[0] == '+' || filter[0] == '#')
}
