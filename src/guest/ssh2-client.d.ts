// The client alone, without ssh2's server, key generator and HTTP agents: it loads in three quarters of the time.
declare module "ssh2/lib/client.js" {
  import { Client } from "ssh2";
  export default Client;
}
