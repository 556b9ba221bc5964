// Package passwords authenticates Clients by User Name and Password, from a file
// of hashes.
//
// The file is TOML: a table for each user, with the hash of the password and the
// attributes that rules of access speak of.
//
//	[client1]
//	password = "$pbkdf2-sha512$i=210000,l=64$SALT$HASH"
//
//	[client1.attributes]
//	floor = "floor1"
//
// [Parse] reads one, [Put] and [Remove] edit one, and [New] makes the
// authentication method of it.
//
// # What a guess costs
//
// A hash takes tens of milliseconds on purpose. It is computed by half of the
// processors at most, once for all Clients that show the same credentials at the
// same time, and not at all for a user whose password was right a short while
// ago; so that neither a thousand devices that come back at once nor somebody
// who guesses takes the machine from the others. Whether a user exists does not
// show in the time that an answer takes.
//
// # Borrowed memory
//
// A [File] keeps nothing of the text it was parsed from, and an [Authenticator]
// nothing of the Credentials it judges.
//
// # Concurrency
//
// A File is immutable. An Authenticator is safe for concurrent use.
//
// # Errors
//
// [*Error] says what is wrong in a file: where, and what would be right. A hash
// is as good as a password to somebody who has time, so that no error, and no
// printed value of this package, holds one.
package passwords
