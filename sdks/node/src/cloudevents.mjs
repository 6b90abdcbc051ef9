// Events as CloudEvents 1.0, for what lies outside of Kite: a webhook, a queue, a file.
//
// A CloudEvent is an object here, as its JSON says. docs/reference/cloudevents.md has the mapping, which
// loses nothing in either direction.
import { checkSize } from "./core/envelopes.mjs";
import { Event, frameOf } from "./event.mjs";
import { lifeOf } from "./module.mjs";
import * as mapping from "./wire/cloudevents.mjs";
import { checkSubject } from "./wire/subject.mjs";

/** @import { Module } from "./module.mjs" */
/** @import { EventFrame } from "./wire/frame.mjs" */
/** @typedef {Record<string, unknown>} CloudEvent */

/**
 * The CloudEvent of an event that a handler has got.
 * @param {Event} event
 * @returns {CloudEvent}
 */
export const toCloudEvent = (event) => mapping.toCloudEvent(/** @type {CloudEvent} */ (/** @type {unknown} */ (frameOf(event))));

/**
 * The event of a CloudEvent, as a handler would see it. Throws RequestError `cloudevent_…`: it is none.
 * @param {Readonly<CloudEvent>} cloudevent
 */
export const fromCloudEvent = (cloudevent) => new Event(eventOf(cloudevent));

/**
 * Publish a CloudEvent in a module's name, and go on, as `Module.publish` does. Its `id`, `time` and
 * `source` are kept: subscribers find all of them with `toCloudEvent`. Throws as `fromCloudEvent` and as
 * `Module.publish`.
 * @param {Module} module
 * @param {Readonly<CloudEvent>} cloudevent
 * @returns {string} the event's id
 */
export function publish(module, cloudevent) {
  const life = lifeOf(module);
  const frame = eventOf(cloudevent, life.name);
  life.publisher.send(checkSize(checkSubject(frame.event), JSON.stringify(frame)));
  return frame.event_id ?? "";
}

/** @param {Readonly<CloudEvent>} cloudevent @param {string} [sender] */
const eventOf = (cloudevent, sender) => /** @type {EventFrame} */ (/** @type {unknown} */ (mapping.fromCloudEvent(cloudevent, sender)));
