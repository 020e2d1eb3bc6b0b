import { connect } from 'nats';

/** The reference of the plane's bench: a NATS responder that answers with the body it got, and does nothing else. */
const connection = await connect({ servers: process.argv[2] });
connection.subscribe(process.argv[3], {
  callback: (error, message) => {
    if (error === null) message.respond(message.data);
  },
});
await connection.flush();
process.send?.('ready');
