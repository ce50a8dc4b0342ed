package event

import (
	"fmt"
	"time"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// WeekdayList returns what events say of a set of days: none for every day.
func WeekdayList(days domain.Weekdays) (list []eventpb.Weekday) {
	for _, day := range days.Days() {
		list = append(list, eventpb.Weekday((int(day)+6)%7+1)) // Monday is 1, Sunday 7
	}
	return list
}

// WeekdaysOf is the reverse of WeekdayList.
func WeekdaysOf(list []eventpb.Weekday) (days domain.Weekdays, err error) {
	for _, day := range list {
		if day < eventpb.Weekday_WEEKDAY_MONDAY || day > eventpb.Weekday_WEEKDAY_SUNDAY {
			return 0, fmt.Errorf("%s is no day of the week", day)
		}
		days |= domain.WeekdaysOf(time.Weekday(day % 7))
	}
	return days, nil
}
