// What a Node module imports: `import { Module } from "kite-runtime"`.
export { ConfigError, KiteError, ModuleError, PeerError, RequestError, Unavailable } from "./errors.mjs";
export { Event, Request } from "./event.mjs";
export { Module } from "./module.mjs";
