package e2e

import "testing"

func TestT20ThermostatMayNotPublishHumidity(t *testing.T) {
	playRestricted(t, func(s *site) {
		s.publish(thermostat, message{topic: "telemetry/humidity"}, notAuthorized)
		// The connection stays.
		pub := s.publisher(thermostat, "telemetry/humidity")
		pub.send(measurement, notAuthorized)
		pub.send(measurement, notAuthorized)
	})
}

func TestT21ThermostatMayPublishTemperatureForLong(t *testing.T) {
	playRestricted(t, func(s *site) {
		pub := s.publisher(thermostat, "telemetry/temperature")
		for range 300 {
			pub.send(measurement, success)
		}
	})
}

func TestT22HeaterMayNotSubscribeToHeartbeats(t *testing.T) {
	playRestricted(t, func(s *site) {
		s.subscribe(heater, []byte{notAuthorized}, "health/heartbeat")
	})
}

func TestT23HeaterReceivesTemperatureByItsUserName(t *testing.T) {
	playRestricted(t, func(s *site) {
		pub := s.publisher(thermostat, "telemetry/temperature")
		pub.send("before", success)
		sub := s.subscribe(heater, granted("telemetry/temperature"), "telemetry/temperature")
		pub.send(measurement, success)
		sub.receives(message{topic: "telemetry/temperature"})
		pub.send("another", success)
		sub.receives(message{topic: "telemetry/temperature", payload: "another"})
	})
}

func TestT24LightbulbMayPublishHeartbeatsThatTheHeaterDoesNotSee(t *testing.T) {
	playRestricted(t, func(s *site) {
		sub := s.subscribe(heater, granted("telemetry/temperature"), "telemetry/temperature")
		pub := s.publisher(lightbulb, "health/heartbeat")
		for range 10 {
			pub.send("example heartbeat", success)
		}
		s.receivesOnly(sub, thermostat, "telemetry/temperature")
	})
}

func TestT25ThermostatMayNotPublishHeartbeats(t *testing.T) {
	playRestricted(t, func(s *site) {
		s.publish(thermostat, message{topic: "health/heartbeat"}, notAuthorized)
	})
}

func TestT26HygrometerMayPublishHumidityOnly(t *testing.T) {
	playRestricted(t, func(s *site) {
		s.publish(hygrometer, message{topic: "telemetry/humidity"}, success)
		s.publish(hygrometer, message{topic: "telemetry/temperature"}, notAuthorized)
	})
}

func TestT27HeaterMayPublishHeartbeats(t *testing.T) {
	playRestricted(t, func(s *site) {
		s.publish(heater, message{topic: "health/heartbeat"}, success)
	})
}

func TestT28NobodyButTheHeaterMaySubscribe(t *testing.T) {
	playRestricted(t, func(s *site) {
		for _, filter := range []string{"health/heartbeat", "telemetry/temperature", "#"} {
			s.subscribe(lightbulb, []byte{notAuthorized}, filter)
		}
		s.subscribe(thermostat, []byte{notAuthorized}, "telemetry/temperature")
	})
}

func TestT29HeaterMayNotSubscribeToMoreThanItsTopics(t *testing.T) {
	playRestricted(t, func(s *site) {
		for _, filter := range []string{"telemetry/+", "telemetry/#", "+/temperature", "#", "$share/g/#"} {
			s.subscribe(heater, []byte{notAuthorized}, filter)
		}
	})
}

func TestT30EachFilterOfASubscribeIsJudgedByItself(t *testing.T) {
	playRestricted(t, func(s *site) {
		sub := s.subscribe(heater, []byte{grantedQoS1, notAuthorized}, "telemetry/temperature", "health/heartbeat")
		s.publish(lightbulb, message{topic: "health/heartbeat"}, success)
		s.receivesOnly(sub, thermostat, "telemetry/temperature")
	})
}

func TestT31HeaterMayShareASubscription(t *testing.T) {
	playRestricted(t, func(s *site) {
		const filter = "$share/g/telemetry/humidity"
		sub := s.subscribe(heater, granted(filter), filter)
		s.publish(hygrometer, message{topic: "telemetry/humidity"}, success)
		sub.receives(message{topic: "telemetry/humidity"})
	})
}

func TestT32ClientIdentifierIsNoIdentity(t *testing.T) {
	playRestricted(t, func(s *site) {
		sub := s.subscribe(heater, granted("telemetry/temperature"), "telemetry/temperature")
		impostor := client{name: "thermostat", id: "heater"}
		pub := s.publisher(impostor, "telemetry/temperature")
		sub.takenOver()
		pub.send(measurement, success)
		s.subscribe(impostor, []byte{notAuthorized}, "telemetry/temperature")
		s.publish(impostor, message{topic: "health/heartbeat"}, notAuthorized)
	})
}

func TestT33UserNameIsThatOfTheCertificate(t *testing.T) {
	playRestricted(t, func(s *site) {
		admin := client{name: "heater", userName: "admin"}
		s.publish(admin, message{topic: "health/heartbeat"}, success)
		sub := s.subscribe(admin, granted("telemetry/temperature"), "telemetry/temperature")
		s.publish(thermostat, message{topic: "telemetry/temperature"}, success)
		sub.receives(message{topic: "telemetry/temperature"})
		impostor := client{name: "lightbulb", userName: "heater"}
		s.subscribe(impostor, []byte{notAuthorized}, "telemetry/temperature")
	})
}

func TestT34DenialsInMQTT311(t *testing.T) {
	playRestricted(t, func(s *site) {
		sub := s.subscribe(client{name: "heater", v311: true}, granted("telemetry/humidity"), "telemetry/humidity")
		// There is no way to say no in a PUBACK [MQTT311-3.3.5-2].
		s.publish(client{name: "thermostat", v311: true}, message{topic: "telemetry/humidity", payload: "denied"}, success)
		s.receivesOnly(sub, client{name: "hygrometer", v311: true}, "telemetry/humidity")
		s.subscribe(client{name: "lightbulb", v311: true}, []byte{failureV311}, "health/heartbeat")
	})
}

func TestT35DeniedQoS0PublishIsDropped(t *testing.T) {
	playRestricted(t, func(s *site) {
		sub := s.subscribe(heater, granted("telemetry/humidity"), "telemetry/humidity")
		s.after(func() {
			s.publish(thermostat, message{topic: "telemetry/humidity", payload: "denied", qos0: true}, success)
		}, `msg="not authorized"`, "clientID=thermostat", "action=Publish", "topic=telemetry/humidity")
		s.receivesOnly(sub, hygrometer, "telemetry/humidity")
	})
}

func TestT36WillOnADeniedTopicIsRefused(t *testing.T) {
	playRestricted(t, func(s *site) {
		s.refused(client{name: "thermostat", will: "telemetry/humidity"}, notAuthorized)
		s.refused(client{name: "thermostat", will: "telemetry/humidity", v311: true}, refusedV311)
		s.publish(client{name: "thermostat", will: "telemetry/temperature"}, message{topic: "telemetry/temperature"}, success)
	})
}
