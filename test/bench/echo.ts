import { connect } from 'nats';

/** The reference for the bench of the serving plane: a NATS responder that returns the body it gets. */
const connection = await connect({ servers: process.argv[2] });
connection.subscribe(process.argv[3], {
  callback: (error, message) => {
    if (error === null) message.respond(message.data);
  },
});
await connection.flush();
process.send?.('ready');
