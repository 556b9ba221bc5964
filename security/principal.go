package security

// Principal is who a connection acts as once it is authenticated.
type Principal struct {
	// ClientID is the Client Identifier of the Session, the assigned one when
	// the Server chose it.
	ClientID string
	// Username is the effective user name, [Result.Username]; "" when there is
	// none. It is not the User Name of the CONNECT, which proves nothing.
	Username string
	// Attributes are [Result.Attributes].
	Attributes Attributes
}
