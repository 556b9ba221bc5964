package custom

import (
	"slices"

	"github.com/weirmq/weir/security"
)

// connackReasons are the Reason Codes from 0x80 that a CONNACK may have (table
// 3-1 of the MQTT 5.0 standard).
var connackReasons = []byte{
	0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C,
	0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
}

// returnCodes are what MQTT 3.1.1 calls 1 to 5 in the Reason Codes of MQTT 5.0.
var returnCodes = [...]byte{1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}

// protocolVersion5 is the Protocol Version of MQTT 5.0.
const protocolVersion5 = 5

// connackReason returns the Reason Code for a Client that the server refused. A
// server may say anything, 0 for Success included, but a Client that is refused
// is never told that it is welcome.
func connackReason(reason, version byte) byte {
	if int(reason) < len(returnCodes) && reason > 0 {
		reason = returnCodes[reason]
	}
	if !slices.Contains(connackReasons, reason) {
		return security.NotAuthorized
	}
	if version < protocolVersion5 && !slices.Contains(returnCodes[1:], reason) && reason != 0x89 {
		// MQTT 3.1.1 has a word for few of them, and Server busy goes as
		// Server unavailable.
		return security.NotAuthorized
	}
	return reason
}
