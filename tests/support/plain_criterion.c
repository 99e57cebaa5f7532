/*
 * Runs Criterion tests without Criterion's runner, which cannot start under ThreadSanitizer
 * (Snaipe/Criterion#274: it maps memory where the sanitizer lets nobody). The tests are the ones
 * that the linker has gathered, each in a process of its own; what the library calls to tell its
 * runner of a failure is answered here, and the rest of the library serves as ever.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <criterion/event.h>
#include <criterion/new/assert.h>

/* The linker's names for where the sections of Test() and TestSuite() begin and end; there may be
 * no suite. */
extern struct criterion_test *tests_start[] __asm__("__start_cr_tst");
extern struct criterion_test *tests_stop[] __asm__("__stop_cr_tst");
extern struct criterion_suite *suites_start[] __asm__("__start_cr_sts") __attribute__((weak));
extern struct criterion_suite *suites_stop[] __asm__("__stop_cr_sts") __attribute__((weak));

static const struct criterion_test *running;
static const struct criterion_suite *its_suite; /* NULL: none was declared */
static bool failed;

void criterion_internal_test_setup(void)
{
    if (its_suite != NULL && its_suite->data->init != NULL) {
        its_suite->data->init();
    }
    if (running->data->init != NULL) {
        running->data->init();
    }
}

void criterion_internal_test_main(void (*body)(void)) { body(); }

void criterion_internal_test_teardown(void)
{
    if (running->data->fini != NULL) {
        running->data->fini();
    }
    if (its_suite != NULL && its_suite->data->fini != NULL) {
        its_suite->data->fini();
    }
}

/* An assertion has failed; who called goes on with one of the two below. */
void cri_assert_node_send(const char *file, size_t line, struct cri_assert_node *tree)
{
    (void)fprintf(stderr, "%s:%zu: %s\n", file, line, tree->message == NULL ? "" : tree->message);
    for (size_t i = 0; i < tree->nchild; i++) {
        const struct cri_assert_node *node = &tree->children[i];
        (void)fprintf(stderr, "  %s %s\n", node->pass ? "holds:" : "fails:", node->repr);
    }
}

void criterion_send_assert(struct criterion_assert_stats *stats)
{
    (void)fprintf(stderr, "%s:%u: %s\n", stats->file, stats->line, stats->message);
}

void criterion_abort_test(void) { exit(EXIT_FAILURE); }

void criterion_continue_test(void) { failed = true; }

void cri_asserts_passed_incr(void) {}

static const struct criterion_suite *suite_of(const struct criterion_test *test)
{
    for (struct criterion_suite **suite = suites_start; suite < suites_stop; suite++) {
        if (strcmp((*suite)->name, test->category) == 0) {
            return *suite;
        }
    }
    return NULL;
}

/* False: it failed, or a sanitizer had something to say at its end. */
static bool passes(const struct criterion_test *test)
{
    /* What no test here asks for, so that none is taken for passed which did not do it. */
    assert(test->data->signal == 0 && test->data->exit_code == 0 && !test->data->disabled);
    (void)fflush(NULL);
    pid_t child = fork();
    assert(child >= 0);
    if (child == 0) {
        running = test;
        its_suite = suite_of(test);
        test->test();
        exit(failed ? EXIT_FAILURE : EXIT_SUCCESS);
    }
    int status = 0;
    pid_t ended = waitpid(child, &status, 0);
    assert(ended == child);
    bool passed = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
    if (!passed) {
        (void)fprintf(stderr, "%s failed: wait status %#x\n", test->data->identifier_,
                      (unsigned)status);
    }
    return passed;
}

int main(void)
{
    size_t failures = 0;
    size_t tests = 0;
    for (struct criterion_test **test = tests_start; test < tests_stop; test++) {
        tests++;
        failures += passes(*test) ? 0 : 1;
    }
    (void)printf("%zu tests, %zu failed\n", tests, failures);
    return failures == 0 && tests > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
