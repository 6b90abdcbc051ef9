/** Events as CloudEvents 1.0: `import { toCloudEvent } from "kite-runtime/cloudevents"`. */
import type { Event, Module } from "./index.mjs";

/** A CloudEvent as its JSON says. */
export type CloudEvent = Record<string, unknown>;

/** The CloudEvent of an event that a handler has got. */
export function toCloudEvent(event: Event): CloudEvent;
/** The event of a CloudEvent, as a handler would see it. Throws `RequestError` with a code `cloudevent_…`. */
export function fromCloudEvent(cloudevent: Readonly<CloudEvent>): Event;
/** Publish a CloudEvent as it is, as `module.publish` does; the event's id. */
export function publish(module: Module, cloudevent: Readonly<CloudEvent>): string;
