"""The faults that the driver has to find, and the case that finds each."""

from __future__ import annotations

from .mutant import Mutant

_SWAP = """
        static char held[99];
        if (*held) {
            kite_publish(under_my_name("out"), e->data, NULL);
            kite_publish(under_my_name("out"), held, NULL);
            *held = 0;
        } else {
            strncpy(held, e->data, sizeof held - 1);
        }
"""


def _c(file: str, name: str, old: str, new: str, case: str, says: str) -> Mutant:
    return Mutant(name=name, file=file, old=old, new=new, case=case, says=says)


def _kite(name: str, old: str, new: str, case: str, says: str) -> Mutant:
    return _c("kite.c", name, old, new, case, says)


def _wire(name: str, old: str, new: str, case: str, says: str) -> Mutant:
    return _c("wire.c", name, old, new, case, says)


def _main(name: str, old: str, new: str, case: str, says: str) -> Mutant:
    return _c("conformance.c", name, old, new, case, says)


def _python(name: str, old: str, new: str, case: str, says: str) -> Mutant:
    return _c("main.py", name, old, new, case, says)


ALONE = (
    # start
    _main("never_starts", "kite_open(subjects,", "exit(3); kite_open(subjects,", "start.ready", '"exit_code": 3'),
    _main("wrong_life", 'life\\":%ld}", (long)getpid(), kite_life()', 'life\\":%d}", (long)getpid(), 9', "start.life", "life 1"),
    _kite("unregistered", 'if (me.offer) be_registered("register");', "", "start.registered", "Registry"),
    _main("undeclared", '\\"features\\":[],', "", "start.registered", "features"),
    _kite("strict_boot_line", "me.life = strtol(life, NULL, 10);", 'if (json_member(frame, "later")) exit(2);\n    me.life = strtol(life, NULL, 10);', "start.boot_line", "exited with status 2"),
    _kite("outlives_input", "FD_SET(0, &wanted);", "", "start.lifeline", "runs on"),
    _kite("gives_up_early", "!begin()) hang_up();", "!begin()) exit(1);", "start.turned_away", "503"),
    _wire("spins", 'if (status == 401) wire_give_up(DEAD_TOKEN, "the token is dead");', "", "start.turned_away", "401"),
    # request
    _main("answers_null", "kite_answer(e, e->data);", 'kite_answer(e, "null");', "request.answer", "true"),
    _wire("small_frames_only", "head[1] == 127 ? 8", "head[1] == 127 ? 4", "request.sizes", ""),
    _main("answers_one", "kite_answer(e, e->data);", "static int n; if (n++ < 40) kite_answer(e, e->data);", "request.many", "timeout"),
    _kite("strict_frames", "memset(e, 0, sizeof *e);", 'if (json_member(frame, "x-later")) return false;\n    memset(e, 0, sizeof *e);', "request.unknown_keys", "[]"),
    _kite("refuses_in_silence", "kite_publish(request->reply_to, data, said);", "kite_publish(request->reply_to, data, NULL);", "request.failed", "kite-error"),
    _kite("hears_no_answer", '"\\"_reply.%s.*\\""', '"\\"_reply.%s.never\\""', "request.asks", "42"),
    _kite("overlooks_refusals", 'json_text(json_member(headers, "kite-error"), e->code, sizeof e->code);', "(void)headers;", "request.is_refused", "no_such_fruit"),
    _main("overlooks_errors", "is_it && e->code[0]", "is_it && e->code[0] && e->kind == KITE_EVENT", "request.no_responders", "no_responders"),
    _main("waits_for_ever", 'settle_error("request_timeout");', "return false;", "request.timeout", "request_timeout"),
    _python("one_at_a_time", "await told_to_go.wait()", "__import__('time').sleep(30)", "request.concurrent", "meanwhile"),
    # order
    _main("reorders", 'kite_publish(under_my_name("out"), e->data, NULL);', _SWAP, "order.heard", "from position 0: [1, 0"),
    _main("loses_one", "kite_publish(subject, number, NULL);", "if (i != 77) kite_publish(subject, number, NULL);", "order.said", "from position 77"),
    # denial
    _main("swallows_denial", "settle_error(e->code);", 'settle("error", "null");', "denial.publish", "permission_denied"),
    _main("dies_of_denial", "settle_error(e->code);", "exit(1);", "denial.reserved", ""),
    _kite("deaf_in_silence", 'if (strcmp(type, "ack") == 0) return true;', "if (*type) return true;", "denial.subscribe", "it is ready"),
    # vectors
    _python("exact_matches", 'matches(case["pattern"], case["subject"])', 'case["pattern"] == case["subject"]', "vectors.matching", "wrong"),
    _python("any_subject", 'subject_problem(case["subject"]) is None', "True", "vectors.subjects", "wrong"),
    _python("any_line", "line and {", "None and {", "vectors.boot_lines", "wrong"),
    # crash
    _main("leaves_well", "_exit((int)strtol(status, NULL, 10));", "_exit(0);", "crash.exit", "exit status 7"),
    _main("one_life_only", "kite_open(subjects,", 'if (access("lived", F_OK) == 0) pause(); fclose(fopen("lived", "w")); kite_open(subjects,', "crash.killed", "a later life"),
    # durable
    _python("acks_early", 'crash(event.data["exit"])', 'return module.publish(f"{NAME}.done", {"n": 2, "attempt": 1}) and None', "durable.redelivery", "second attempt"),
    # shutdown
    _kite("ignores_shutdown", "if (!is_for_me(e->data)) return false;", "return false;", "shutdown.acknowledged", "nothing"),
    _kite("forgets_estimate", ',\\"estimated_cleanup\\":0', "", "shutdown.acknowledged", "estimated_cleanup"),
    _kite("never_done", 'if (me.was_asked) say_of_me("module.shutdown.ready", "");', "", "shutdown.acknowledged", "module.shutdown.ready"),
    _kite("other_lives_too", "&& (!life || strtol(life, NULL, 10) == me.life)", "&& (life || !life)", "shutdown.of_another_life", "life"),
    _kite("leaves_with_one", "hang_up();\n    return 0;", "hang_up();\n    return 1;", "shutdown.clean", "exit status 0"),
    _kite("ignores_sigterm", "wire_is_over = 1;\n}\n\nstatic double", "}\n\nstatic double", "shutdown.sigterm", "runs on"),
)  # fmt: skip
"""Those whose case disturbs no other module: they are tried side by side."""

TOGETHER = (
    _kite("others_too", "return strcmp(name, me.name) == 0 &&", "return me.hub >= 0 || ", "shutdown.of_another", ""),
    _kite("dies_with_the_hub", "if (got < 0) hang_up();", "if (got < 0) exit(3);", "reconnect.hub_killed", "the same process"),
    _kite("comes_back_deaf", "|| !subscribe())", "|| (me.retry_at == 0 && !subscribe()))", "reconnect.hub_restarted", "an answer after the outage"),
    _kite("comes_back_mute", 'say_of_me("module.ready", "");', 'if (me.retry_at == 0) say_of_me("module.ready", "");', "reconnect.hub_restarted", "module.ready again"),
    _python("forgets_one", 'in range(event.data["count"]):\n        await', 'in range(event.data["count"]):\n        if number != 150: await', "reconnect.acked", "1 missing: [150]"),
)  # fmt: skip
"""Those whose case concerns all modules: one after the other."""
