// A Client of the npm package mqtt. Its settings are JSON in the first argument:
// url, clientId, ca, cert and key (files), topic, and sizes of payloads. It
// subscribes, publishes each payload with each QoS, and wants them back. Every
// step is a line; what goes wrong ends it with exit code 1.
const fs = require('fs');
const mqtt = require('mqtt');

const s = JSON.parse(process.argv[2]);
const file = (name) => (name ? fs.readFileSync(name) : undefined);

async function main() {
  const client = await mqtt.connectAsync(s.url, {
    protocolVersion: s.protocolVersion,
    clientId: s.clientId,
    ca: file(s.ca),
    cert: file(s.cert),
    key: file(s.key),
    reconnectPeriod: 0,
    connectTimeout: 20000,
  }, false);
  console.log('connected');
  // One at a time, so that order does not depend on QoS.
  let arrived;
  client.on('message', (topic, payload, packet) => arrived({ topic, payload, qos: packet.qos }));
  const granted = await client.subscribeAsync(s.topic, { qos: 2 });
  console.log('granted', granted[0].qos);
  for (const size of s.sizes) {
    for (const qos of [0, 1, 2]) {
      const payload = Buffer.alloc(size, 'weir');
      const message = new Promise((resolve) => { arrived = resolve; });
      await client.publishAsync(s.topic, payload, { qos });
      const got = await message;
      if (got.topic !== s.topic || got.qos !== qos || !payload.equals(got.payload)) {
        throw new Error(`${got.payload.length} bytes came back on ${got.topic} with QoS ${got.qos}`);
      }
      console.log('received', size, 'with', qos);
    }
  }
  await client.endAsync();
  console.log('ended');
}

main().catch((error) => {
  console.log('failed:', error.message);
  process.exit(1);
});
