/* Made from two_phases.txt by python -m models --write. */
#define INPUTS 11
#define s_unopened 0
#define s_empty 1
#define s_ready 2
#define s_spoilt 3
#define s_voted 4
#define s_summing 5
#define s_stuck 6
#define s_answered 7
#define s_bare_summing 8
#define s_bare_stuck 9
#define s_bare_answered 10
#define s_over 11
#define i_open 0
#define i_shares 1
#define i_second 2
#define i_propose 3
#define i_release 4
#define i_short 5
#define i_summed 6
#define i_unable 7
#define i_close 8
#define i_newer 9
#define i_restart 10
#define i_propose_other 11
#define i_release_other 12
#define say_none 0
#define say_vote 1
#define say_answer 2
#define OWNS(it) ((it) == s_voted || (it) == s_summing || (it) == s_stuck || (it) == s_answered || (it) == s_bare_summing || (it) == s_bare_stuck || (it) == s_bare_answered)
inline decide(now, input) {
  possible = 1; says = say_none; next = now;
  if
  :: now == s_unopened ->
     if
     :: input == i_open -> next = s_empty; says = say_none
     :: input == i_shares -> next = s_unopened; says = say_none
     :: input == i_propose -> next = s_unopened; says = say_none
     :: input == i_release -> next = s_unopened; says = say_none
     :: input == i_short -> next = s_unopened; says = say_none
     :: input == i_summed -> next = s_unopened; says = say_none
     :: input == i_close -> next = s_over; says = say_none
     :: input == i_newer -> next = s_over; says = say_none
     :: input == i_restart -> next = s_unopened; says = say_none
     :: else -> possible = 0
     fi
  :: now == s_empty ->
     if
     :: input == i_open -> next = s_empty; says = say_none
     :: input == i_shares -> next = s_ready; says = say_none
     :: input == i_propose -> next = s_empty; says = say_none
     :: input == i_release -> next = s_empty; says = say_none
     :: input == i_short -> next = s_empty; says = say_none
     :: input == i_summed -> next = s_empty; says = say_none
     :: input == i_close -> next = s_over; says = say_none
     :: input == i_newer -> next = s_over; says = say_none
     :: input == i_restart -> next = s_empty; says = say_none
     :: else -> possible = 0
     fi
  :: now == s_ready ->
     if
     :: input == i_open -> next = s_ready; says = say_none
     :: input == i_shares -> next = s_ready; says = say_none
     :: input == i_second -> next = s_spoilt; says = say_none
     :: input == i_propose -> next = s_voted; says = say_vote
     :: input == i_release -> next = s_bare_summing; says = say_none
     :: input == i_short -> next = s_ready; says = say_none
     :: input == i_summed -> next = s_ready; says = say_none
     :: input == i_close -> next = s_over; says = say_none
     :: input == i_newer -> next = s_over; says = say_none
     :: input == i_restart -> next = s_ready; says = say_none
     :: else -> possible = 0
     fi
  :: now == s_spoilt ->
     if
     :: input == i_open -> next = s_spoilt; says = say_none
     :: input == i_shares -> next = s_spoilt; says = say_none
     :: input == i_second -> next = s_spoilt; says = say_none
     :: input == i_propose -> next = s_spoilt; says = say_none
     :: input == i_release -> next = s_spoilt; says = say_none
     :: input == i_short -> next = s_spoilt; says = say_none
     :: input == i_summed -> next = s_spoilt; says = say_none
     :: input == i_close -> next = s_over; says = say_none
     :: input == i_newer -> next = s_over; says = say_none
     :: input == i_restart -> next = s_spoilt; says = say_none
     :: else -> possible = 0
     fi
  :: now == s_voted ->
     if
     :: input == i_open -> next = s_voted; says = say_none
     :: input == i_shares -> next = s_voted; says = say_none
     :: input == i_second -> next = s_voted; says = say_none
     :: input == i_propose -> next = s_voted; says = say_vote
     :: input == i_propose_other -> next = s_voted; says = say_none
     :: input == i_release -> next = s_summing; says = say_none
     :: input == i_release_other -> next = s_voted; says = say_none
     :: input == i_short -> next = s_voted; says = say_none
     :: input == i_summed -> next = s_voted; says = say_none
     :: input == i_close -> next = s_over; says = say_none
     :: input == i_newer -> next = s_over; says = say_none
     :: input == i_restart -> next = s_voted; says = say_none
     :: else -> possible = 0
     fi
  :: now == s_summing ->
     if
     :: input == i_open -> next = s_summing; says = say_none
     :: input == i_shares -> next = s_summing; says = say_none
     :: input == i_second -> next = s_summing; says = say_none
     :: input == i_propose -> next = s_summing; says = say_vote
     :: input == i_propose_other -> next = s_summing; says = say_none
     :: input == i_release -> next = s_summing; says = say_none
     :: input == i_release_other -> next = s_summing; says = say_none
     :: input == i_short -> next = s_summing; says = say_none
     :: input == i_summed -> next = s_answered; says = say_answer
     :: input == i_unable -> next = s_stuck; says = say_none
     :: input == i_close -> next = s_over; says = say_none
     :: input == i_newer -> next = s_over; says = say_none
     :: input == i_restart -> next = s_summing; says = say_none
     :: else -> possible = 0
     fi
  :: now == s_stuck ->
     if
     :: input == i_open -> next = s_stuck; says = say_none
     :: input == i_shares -> next = s_stuck; says = say_none
     :: input == i_second -> next = s_stuck; says = say_none
     :: input == i_propose -> next = s_stuck; says = say_vote
     :: input == i_propose_other -> next = s_stuck; says = say_none
     :: input == i_release -> next = s_stuck; says = say_none
     :: input == i_release_other -> next = s_stuck; says = say_none
     :: input == i_short -> next = s_stuck; says = say_none
     :: input == i_close -> next = s_over; says = say_none
     :: input == i_newer -> next = s_over; says = say_none
     :: input == i_restart -> next = s_summing; says = say_none
     :: else -> possible = 0
     fi
  :: now == s_answered ->
     if
     :: input == i_open -> next = s_answered; says = say_none
     :: input == i_shares -> next = s_answered; says = say_none
     :: input == i_second -> next = s_answered; says = say_none
     :: input == i_propose -> next = s_answered; says = say_vote
     :: input == i_propose_other -> next = s_answered; says = say_none
     :: input == i_release -> next = s_answered; says = say_answer
     :: input == i_release_other -> next = s_answered; says = say_none
     :: input == i_short -> next = s_answered; says = say_none
     :: input == i_close -> next = s_over; says = say_none
     :: input == i_newer -> next = s_over; says = say_none
     :: input == i_restart -> next = s_answered; says = say_none
     :: else -> possible = 0
     fi
  :: now == s_bare_summing ->
     if
     :: input == i_open -> next = s_bare_summing; says = say_none
     :: input == i_shares -> next = s_bare_summing; says = say_none
     :: input == i_second -> next = s_bare_summing; says = say_none
     :: input == i_propose -> next = s_summing; says = say_vote
     :: input == i_propose_other -> next = s_bare_summing; says = say_none
     :: input == i_release -> next = s_bare_summing; says = say_none
     :: input == i_release_other -> next = s_bare_summing; says = say_none
     :: input == i_short -> next = s_bare_summing; says = say_none
     :: input == i_summed -> next = s_bare_answered; says = say_answer
     :: input == i_unable -> next = s_bare_stuck; says = say_none
     :: input == i_close -> next = s_over; says = say_none
     :: input == i_newer -> next = s_over; says = say_none
     :: input == i_restart -> next = s_bare_summing; says = say_none
     :: else -> possible = 0
     fi
  :: now == s_bare_stuck ->
     if
     :: input == i_open -> next = s_bare_stuck; says = say_none
     :: input == i_shares -> next = s_bare_stuck; says = say_none
     :: input == i_second -> next = s_bare_stuck; says = say_none
     :: input == i_propose -> next = s_stuck; says = say_vote
     :: input == i_propose_other -> next = s_bare_stuck; says = say_none
     :: input == i_release -> next = s_bare_stuck; says = say_none
     :: input == i_release_other -> next = s_bare_stuck; says = say_none
     :: input == i_short -> next = s_bare_stuck; says = say_none
     :: input == i_close -> next = s_over; says = say_none
     :: input == i_newer -> next = s_over; says = say_none
     :: input == i_restart -> next = s_bare_summing; says = say_none
     :: else -> possible = 0
     fi
  :: now == s_bare_answered ->
     if
     :: input == i_open -> next = s_bare_answered; says = say_none
     :: input == i_shares -> next = s_bare_answered; says = say_none
     :: input == i_second -> next = s_bare_answered; says = say_none
     :: input == i_propose -> next = s_answered; says = say_vote
     :: input == i_propose_other -> next = s_bare_answered; says = say_none
     :: input == i_release -> next = s_bare_answered; says = say_answer
     :: input == i_release_other -> next = s_bare_answered; says = say_none
     :: input == i_short -> next = s_bare_answered; says = say_none
     :: input == i_close -> next = s_over; says = say_none
     :: input == i_newer -> next = s_over; says = say_none
     :: input == i_restart -> next = s_bare_answered; says = say_none
     :: else -> possible = 0
     fi
  :: now == s_over ->
     if
     :: input == i_open -> next = s_over; says = say_none
     :: input == i_shares -> next = s_over; says = say_none
     :: input == i_second -> next = s_over; says = say_none
     :: input == i_propose -> next = s_over; says = say_none
     :: input == i_release -> next = s_over; says = say_none
     :: input == i_short -> next = s_over; says = say_none
     :: input == i_summed -> next = s_over; says = say_none
     :: input == i_close -> next = s_over; says = say_none
     :: input == i_newer -> next = s_over; says = say_none
     :: input == i_restart -> next = s_over; says = say_none
     :: else -> possible = 0
     fi
  fi
}
