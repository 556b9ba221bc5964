package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// user is a Client of the password file. Its password is its name backwards, so
// that no log may show it by chance.
func user(name, id string) client {
	return client{userName: name, password: passwordOf(name), id: id}
}

func passwordOf(name string) string {
	b := []byte(name)
	for i := range len(b) / 2 {
		b[i], b[len(b)-1-i] = b[len(b)-1-i], b[i]
	}
	return string(b)
}

// playPasswords plays a scenario on a port with User Names and Passwords.
func playPasswords(t *testing.T, scenario func(s *site)) {
	t.Helper()
	play(t, func(s *site) {
		s.putUser("temperature-sensor")
		s.putUser("valve", "--attribute", "city=seattle", "--attribute", "organization=contoso")
		s.putUser("van", "--attribute", "city=seattle")
		s.createSecret()
		manifests := strings.ReplaceAll(string(mustRead(s.t, "testdata/passwords.yaml")), "PORT", strconv.Itoa(s.port))
		mustWrite(s.t, filepath.Join(s.dir, "passwords.yaml"), []byte(manifests))
		s.weir("apply", "-f", "passwords.yaml")
		s.awaitOpen()
		scenario(s)
		log := s.broker.out.String()
		for _, name := range []string{"temperature-sensor", "valve", "van"} {
			if strings.Contains(log, passwordOf(name)) {
				s.t.Errorf("the log shows the password of %s", name)
			}
		}
		if strings.Contains(log, "pbkdf2") {
			s.t.Error("the log shows a hash")
		}
	})
}

func (s *site) usersFile() string {
	return filepath.Join(s.config(), "secrets", "users", "passwords.toml")
}

// putUser sets the password of a user in the password file.
func (s *site) putUser(name string, flags ...string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.usersFile()), 0o700); err != nil {
		s.t.Fatal(err)
	}
	p := start(s.t, s.dir, nil, weirProgram, append([]string{"passwd", s.usersFile(), name, "--iterations=1000"}, flags...)...)
	if _, err := p.stdin.Write([]byte(passwordOf(name) + "\n")); err != nil {
		s.t.Fatal(err)
	}
	_ = p.stdin.Close()
	if code := p.wait(); code != 0 {
		s.t.Fatalf("weir passwd: exit code %d\n%s", code, p.out)
	}
}

func TestP1UserNamesAndAttributesOfThePasswordFileHaveTheRightsOfTheRules(t *testing.T) {
	playPasswords(t, func(s *site) {
		sensor, valve := user("temperature-sensor", "s"), user("valve", "v")
		s.publish(sensor, message{topic: "/telemetry/temperature-sensor"}, success)
		s.publish(sensor, message{topic: "/telemetry/humidity-sensor"}, notAuthorized)
		s.publish(sensor, message{topic: "telemetry/temperature-sensor"}, notAuthorized) // the first level is empty
		s.publish(sensor, message{topic: "/sensor/contoso"}, notAuthorized)              // it has no organization
		s.publish(valve, message{topic: "/sensor/contoso"}, success)
		s.publish(valve, message{topic: "/telemetry/valve"}, success)
		s.subscribe(valve, granted("/commands/contoso"), "/commands/contoso")
		s.refused(user("van", "w"), notAuthorized) // one attribute of two
	})
}

func TestP2UserNameMustBeTheClientIdentifier(t *testing.T) {
	playPasswords(t, func(s *site) {
		s.publish(user("van", "van"), message{topic: "own"}, success)
		s.refused(user("van", "valve"), notAuthorized)
		s.publish(client{userName: "van", password: passwordOf("van"), id: "van", v311: true}, message{topic: "own"}, success)
	})
}

func TestWrongPasswordsAreRefusedAsSuch(t *testing.T) {
	playPasswords(t, func(s *site) {
		wrong := user("valve", "v")
		wrong.password = "wrong"
		s.after(func() { s.refused(wrong, badUserName) }, `reason="not authenticated"`, "the User Name or the Password is wrong")
		stranger := user("stranger", "x")
		s.refused(stranger, badUserName)
		wrong.v311 = true
		s.refused(wrong, badUserV311)
		s.refused(client{id: "nobody"}, notAuthorized) // not relevant to any method
	})
}

func TestRemovedUserIsCutAndOthersStay(t *testing.T) {
	playPasswords(t, func(s *site) {
		valve := s.publisher(user("valve", "v"), "/sensor/contoso")
		valve.send("before", success)
		mark := s.broker.mark()
		sensor := s.publisher(user("temperature-sensor", "s"), "/telemetry/temperature-sensor")
		sensor.send("before", success)
		s.expectWeir("user \"valve\" deleted\n", "passwd", s.usersFile(), "valve", "--delete")
		s.broker.logged(mark, `msg="connection closed"`, "clientID=v", "the user is no longer in the password file")
		sensor.send("after", success)
		s.refused(user("valve", "v"), badUserName)
	})
}
