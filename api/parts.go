package api

import (
	"context"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/projections/hotels"
)

// part is a kind of what a hotel has, which is got by id and listed by page in the same way: R is what it is in the read model, and was in the past; M what it is in an
// answer.
type part[R, M any] struct {
	get      func(ctx context.Context, hotelID, id string) (R, error)
	list     func(ctx context.Context, hotelID string, showArchived bool, after string, limit int) (rows []R, more bool, err error)
	getThen  func(then *hotels.Past, hotelID, id string) (R, error)
	listThen func(then *hotels.Past, hotelID string, showArchived bool) []R
	id       func(*R) string
	message  func(*R) *M
}

func (a *API) roomTypeParts() part[hotels.RoomType, lodgev1.RoomType] {
	return part[hotels.RoomType, lodgev1.RoomType]{
		a.hotels.GetRoomType, a.hotels.ListRoomTypes, (*hotels.Past).GetRoomType, (*hotels.Past).ListRoomTypes,
		func(t *hotels.RoomType) string { return t.RoomTypeID }, roomTypeRow,
	}
}

func (a *API) ratePlanParts() part[hotels.RatePlan, lodgev1.RatePlan] {
	return part[hotels.RatePlan, lodgev1.RatePlan]{
		a.hotels.GetRatePlan, a.hotels.ListRatePlans, (*hotels.Past).GetRatePlan, (*hotels.Past).ListRatePlans,
		func(p *hotels.RatePlan) string { return p.Plan.GetRatePlanId() }, planRow,
	}
}

func (a *API) roomParts() part[hotels.Room, lodgev1.Room] {
	return part[hotels.Room, lodgev1.Room]{
		a.hotels.GetRoom, a.hotels.ListRooms, (*hotels.Past).GetRoom, (*hotels.Past).ListRooms,
		func(r *hotels.Room) string { return r.Room.GetRoomId() }, roomRow,
	}
}

// getPart answers with one part of a hotel as it is, or was.
func getPart[R, M any](ctx context.Context, a *API, p part[R, M], hotelID, id string, req interface {
	asOf
	GetMinPosition() string
}) (*connect.Response[M], error) {
	if err := a.fresh(ctx, hotels.Name, req.GetMinPosition()); err != nil {
		return nil, err
	}
	m, err := a.moment(ctx, hotelID, req)
	if err != nil {
		return nil, err
	}
	row, err := nowOrThen(ctx, a, m,
		func() (R, error) { return p.get(ctx, hotelID, id) },
		func(then *hotels.Past) (R, error) { return p.getThen(then, hotelID, id) })
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(p.message(&row)), nil
}

// partsRequest asks for a page of a hotel's parts.
type partsRequest interface {
	proto.Message
	asOf
	GetParent() string
	GetPageSize() int32
	GetPageToken() string
	GetShowArchived() bool
	GetMinPosition() string
}

// listParts returns one page of a hotel's parts as they are, or were, and the token of the next page, if there is one.
func listParts[R, M any](ctx context.Context, a *API, p part[R, M], req partsRequest) (page []*M, next string, err error) {
	hotelID, err := parseHotel(req.GetParent(), "parent")
	if err != nil {
		return nil, "", err
	}
	token, err := parsePageToken(req, req.GetPageToken(), 1)
	if err != nil {
		return nil, "", err
	}
	if err := a.fresh(ctx, hotels.Name, req.GetMinPosition()); err != nil {
		return nil, "", err
	}
	after := ""
	if token != nil {
		after = token[0]
	}
	rows, more, err := partRows(ctx, a, p, hotelID, req, after)
	if err != nil {
		return nil, "", err
	}
	for i := range rows {
		page = append(page, p.message(&rows[i]))
	}
	if more {
		next = newPageToken(req, p.id(&rows[len(rows)-1]))
	}
	return page, next, nil
}

// partRows returns the rows of one page of a hotel's parts, and whether there are more.
func partRows[R, M any](ctx context.Context, a *API, p part[R, M], hotelID string, req partsRequest, after string) (rows []R, more bool, err error) {
	m, err := a.moment(ctx, hotelID, req)
	if err != nil {
		return nil, false, err
	}
	limit := pageSize(req.GetPageSize())
	if m == nil {
		if _, err := a.hotels.Get(ctx, hotelID); err != nil {
			return nil, false, err
		}
		return p.list(ctx, hotelID, req.GetShowArchived(), after, limit)
	}
	then, err := a.houseAsOf(ctx, m)
	if err != nil {
		return nil, false, err
	}
	if _, err := then.Get(hotelID); err != nil {
		return nil, false, err
	}
	rows, more = pageOf(p.listThen(then, hotelID, req.GetShowArchived()), after, limit, p.id)
	return rows, more, nil
}
