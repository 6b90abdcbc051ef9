// What index.d.mts says of a class is true of the class, and an author's program reads as it should.
import * as said from "../../src/index.mjs";
import * as errors from "../../src/errors.mjs";
import * as events from "../../src/event.mjs";
import { Module } from "../../src/module.mjs";

export const module: Omit<said.Module, "on" | "handle" | "tool" | "onStart" | "onStop" | "onMissed" | "register"> = new Module();
export const event: Pick<said.Event, keyof said.Event> = new events.Event({ type: "event", event: "a" });
export const request: Pick<said.Request, keyof said.Request> = new events.Request({ type: "event", event: "a" });
export const error: said.KiteError = new errors.RequestError("code", { detail: "words" });

// Every member that the class has is said, but for those of the SDK's own.
type Own = "begin" | "declaration" | "settle";
type Unsaid = Exclude<keyof Module, keyof said.Module | Own>;
export const unsaid: [Unsaid] extends [never] ? true : Unsaid = true;

const program = new said.Module();
program
  .on("news.>", (one) => one.subject.length)
  .on("jobs.>", { durable: "work", start: "all", maxDeliver: 3 }, async (one) => void one.seq?.toFixed())
  .handle("price", { concurrency: 4 }, async (asked) => asked.deadline?.getTime() ?? 0)
  .tool("add", { description: "adds", inputSchema: { type: "array" } }, ({ data }) => data[0] + data[1])
  .onStart(async () => {
    const { delivered }: said.Published = await program.publishAcked("a", { b: 1 }, { headers: { h: "v" } });
    const rows: said.Entry[] = await program.registry.lookup({ "metadata.colour": "green" });
    program.log.info("%d %d", delivered, rows.length);
    await program.launcher.restart("worker", { reason: "stuck", wait: true });
    void program.spawn(async (signal) => signal.aborted);
  })
  .onStop({ estimatedCleanup: 2 }, () => {})
  .register({ type: "agent", eventsPublish: ["a"] });

// @ts-expect-error: there is no such option
program.on("a", { concurency: 2 }, () => {});
// @ts-expect-error: a handler is needed
program.handle("a");
// @ts-expect-error: events are made by the Hub
new said.Event();

const never: never = await program.run();
void never;
