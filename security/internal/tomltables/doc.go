// Package tomltables reads files of TOML tables: one for each thing that the
// file is about, with the same few fields in each.
//
// The files come out of Secrets. Whatever is wrong with one, no [Fault] has a
// value of the file in it; keys it may have.
//
// Nothing that is passed in is kept. All functions are safe for concurrent use.
package tomltables
