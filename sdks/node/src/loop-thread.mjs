// The thread whose event loop reads from a connection, named for the Hub: while it is seen to wait for
// events, that is a sign of life, and nobody has to wake up for a ping.
import { statSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

/**
 * `<namespace>/<process>/<thread>`, or null where that cannot be said: Node tells the id of its main
 * thread only, which is the process's.
 * @returns {string | null}
 */
export function loopThread() {
  if (!isMainThread || process.platform !== "linux") return null;
  try {
    const { ino } = statSync("/proc/self/ns/pid", { bigint: true });
    return `${ino}/${process.pid}/${process.pid}`;
  } catch {
    return null;
  }
}
